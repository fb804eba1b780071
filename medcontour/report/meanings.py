"""What each figure of the page means, as the documentation says it too."""

from __future__ import annotations

__all__ = ["FIGURES", "HARDLY_REMOVED", "PARTLY_REMOVED", "SAID", "removed"]

SAID = (
    "The figures say how far the classifier relies on what a contour holds. They do not say that "
    "there is a finding, nor that the classifier is right."
)
"""What all of them mean, and what none of them does."""

FIGURES: dict[str, tuple[str, str]] = {
    "status": (
        "Status",
        "what the placement test and the removal say together; of a finding, that of its strongest "
        "slice",
    ),
    "trust": (
        "Trust",
        "the probability that a reader keeps the outline as it is, fitted on images that somebody "
        "checked; likely kept is from 0.67, likely redrawn is under 0.33",
    ),
    "conformal": (
        "Conformal p",
        "of images without a finding, like those that were checked, at most this share has "
        "something as strong suggested on it",
    ),
    "score": ("Score", "probability of the class on the slice as it is"),
    "preserved": (
        "Only the inside of the evidence contour",
        "probability when only the evidence contour's inside is kept",
    ),
    "deleted": ("Everything but the inside", "probability when the inside is taken away"),
    "background": (
        "The background alone",
        "probability on the baseline alone: everything taken away",
    ),
    "random": (
        "The same curve at random places",
        "means of the two over the same curve at random places, in the altered views",
    ),
    "views": (
        "Altered views",
        "in how many of how many altered views the contour beats all random places",
    ),
    "p-value": (
        "p value",
        "of the placement test: how often a random place does as well, in the worst altered view; "
        "0.05 is the least there can be",
    ),
    "similarity": (
        "Background similarity, c_b",
        "how like the original the baseline is to the network; near 1 it removes nothing, and a "
        "contour says little",
    ),
    "evaluations": (
        "Evaluations",
        "pairs of images, what is kept and what is left, that the classifier was run on and back",
    ),
    "contrast": (
        "Contrast of an outline",
        "mean inside less mean of the ring around it, over their pooled spread; negative for "
        "something dark",
    ),
    "edge": (
        "Edge of an outline",
        "share of the directions along which the image steps the same way at the boundary",
    ),
    "diameter": ("Longest diameter", "within one slice, as RECIST 1.1 measures it"),
    "volume": ("Volume", "area of the outlines times the slices' thickness"),
}
"""By the end of its anchor's name: what a figure is called, and what it is."""

PARTLY_REMOVED, HARDLY_REMOVED = 0.7, 0.9


def removed(similarity: float) -> str:
    """Say in words what a background similarity, ``c_b``, means.

    Examples
    --------
    >>> removed(0.31)
    'the background removes what the classifier sees (0.31)'
    >>> removed(0.95)
    'the background removes hardly anything, so that a contour says little (0.95)'
    """
    if similarity >= HARDLY_REMOVED:
        what = "hardly anything, so that a contour says little"
    elif similarity >= PARTLY_REMOVED:
        what = "a part of what the classifier sees"
    else:
        what = "what the classifier sees"
    return f"the background removes {what} ({similarity:.2f})"
