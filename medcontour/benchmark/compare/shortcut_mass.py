"""How much of a map lies on what is not the patient: the empty surround, burnt-in marks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from medcontour.benchmark.data.dataset import FloatArray
from medcontour.benchmark.metrics import relevance_mass
from medcontour.benchmark.truth import truth_in
from medcontour.classifier import Prepared
from medcontour.shortcuts import body_mask, find_marks

__all__ = ["NotPatient"]


@dataclass(frozen=True)
class NotPatient:
    """What of a network's input is not the patient.

    Attributes
    ----------
    surround
        (H, W) bool: outside the body; all False where the body fills the image.
    marks
        (H, W) bool: burnt-in texts, calipers, lines and colour overlays, with the gaps between
        their strokes; all False where there are none.
    """

    surround: Tensor
    marks: Tensor

    @classmethod
    def of(cls, pixels: FloatArray, prepared: Prepared) -> NotPatient:
        """Look for both in an image's own pixels.

        Parameters
        ----------
        pixels
            (rows, columns) or (rows, columns, 3), as read from the file.
        prepared
            The network's input made of them.
        """
        grey = pixels if pixels.ndim == 2 else pixels.mean(-1)
        return cls(
            truth_in(prepared, ~body_mask(grey)),
            truth_in(prepared, find_marks(pixels).places),
        )

    def figures(self, relevance: Tensor) -> dict[str, float]:
        """Give the share of a map's relevance that lies there, and what chance gives.

        Parameters
        ----------
        relevance
            (H, W) on the network's input.

        Returns
        -------
        dict
            ``mass_outside_body`` (0 where the body fills the image) and ``mass_on_marks`` (NaN
            where there are none), both as `relevance_mass`; ``share_outside_body`` and
            ``share_on_marks`` of the input's pixels.
        """
        maps = relevance.detach().float().cpu()[None]
        outside, on_marks = (
            float(relevance_mass(maps, place[None])[0]) if place.any() else empty
            for place, empty in ((self.surround, 0.0), (self.marks, math.nan))
        )
        return {
            "mass_outside_body": outside,
            "mass_on_marks": on_marks,
            "share_outside_body": float(self.surround.float().mean()),
            "share_on_marks": float(self.marks.float().mean()),
        }
