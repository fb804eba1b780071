"""What a reader is to know of an outline that was chosen with its neighbours'."""

from __future__ import annotations

__all__ = ["APART", "CARRIED", "DISAGREES", "FELL_BACK", "GOES_ON", "HARDLY", "PARTLY", "RAN_OUT"]

DISAGREES = (
    "The boundary on this slice does not agree with the object's on the neighbouring slices: "
    "no outline."
)
RAN_OUT = (
    "The boundary near the evidence is far larger than the evidence, and no neighbouring slice "
    "holds the same: no outline."
)
FELL_BACK = (
    "The clearest boundary near the evidence is far larger than the evidence, and no neighbouring "
    "slice holds the same: the outline is the clearest one that is not."
)
APART = "The boundary lies apart from the evidence: no outline."
CARRIED = (
    "By itself this slice would have another outline; this one goes with the neighbouring slices'."
)
GOES_ON = (
    "Taken in because the outline goes on from a neighbouring slice: no evidence was looked for "
    "here."
)
HARDLY = "The object fills less than half of this slice's thickness: no outline."
PARTLY = (
    "The object fills only a part of this slice's thickness: the outline is drawn in to where the "
    "image is halfway between the object and what surrounds it."
)
