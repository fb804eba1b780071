"""Outlines drawn anew by a promptable network, which is given a box about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcontour.contour import PlaneGeometry, PlaneShape
from medcontour.errors import MedcontourError
from medcontour.outline.drawn import drawn_outline
from medcontour.outline.outliner import Outline
from medcontour.outline.promptable import PromptableModel
from medcontour.outline.region import boundary_quality

__all__ = ["Redrawn", "box_around"]


@dataclass(frozen=True)
class RedrawnConstants:
    """How a promptable network is prompted, and what is thought of what it draws.

    Chosen on 29 images of breast ultrasound that the classifier was trained on.

    Attributes
    ----------
    grown
        How much wider and higher than an outline the box about it is.
    ahead
        How much less energy than the outline that prompted it the drawn curve has: it is taken
        where neither image nor classifier speaks against it.
    lost
        What it costs where fewer of its directions have an edge, times their share.
    """

    grown: float = 0.25
    ahead: float = 0.5
    lost: float = 1.5


REDRAWN = RedrawnConstants()


@dataclass(frozen=True)
class Redrawn:
    """Outlines drawn anew by a promptable network.

    Attributes
    ----------
    model
        The network.
    pictures
        The slice of each outline, as `PromptableModel` takes it.
    """

    model: PromptableModel
    pictures: Sequence[npt.NDArray[np.uint8]]

    def outlines(
        self,
        starts: Sequence[Outline],
        images: Tensor,
        plane: PlaneGeometry,
        measured: Tensor | None = None,
    ) -> list[Outline | None]:
        """What the network draws in a box about each of some outlines.

        Parameters
        ----------
        starts
            N outlines.
        images, plane, measured
            The slice of each, as an `Outliner` takes them.

        Returns
        -------
        For each the outline of what is drawn, its ``drawn_by`` the network's name; None where
        nothing is.

        Raises
        ------
        MedcontourError
            Where the network fails, or gives no mask of the slice.
        """
        points = plane.pixel_centres()
        found: list[Outline | None] = []
        for n, start in enumerate(starts):
            around = start.contour.to("cpu")
            drawn = torch.from_numpy(self._drawn(self.pictures[n], plane, around))
            own = drawn_outline(drawn, points, around, start.energy - REDRAWN.ahead)
            if own is not None:
                seen = None if measured is None else measured[n]
                before, along = (
                    boundary_quality(images[n], plane, each, seen) for each in (around, own.contour)
                )
                lost = max(0.0, before["edge"] - along["edge"])
                quality: dict[str, float | str] = {**along, "drawn_by": self.model.name}
                own = replace(own, energy=own.energy + REDRAWN.lost * lost, quality=quality)
            found.append(own)
        return found

    def _drawn(
        self, picture: npt.NDArray[np.uint8], plane: PlaneGeometry, around: PlaneShape
    ) -> npt.NDArray[np.float32]:
        """(rows, columns) probabilities, as the network draws them."""
        contour = plane.to_index(around.polygon()[0].detach().double()).numpy()
        box = box_around(contour, plane, REDRAWN.grown)
        try:
            given = np.asarray(self.model(picture, box, contour))
        except MedcontourError:
            raise
        except Exception as error:  # whatever somebody else's network raises
            raise MedcontourError(
                f"The promptable network {self.model.name} failed ({type(error).__name__}: "
                f"{error}); mend it, or choose another outline."
            ) from error
        return self._checked(given, picture.shape[:2])

    def _checked(self, given: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """What the network gave, refused where it is no mask of a slice of that shape."""
        what = ""
        if given.shape != shape:
            what = f"something of shape {given.shape}"
        elif given.dtype.kind not in "biuf":
            what = f"values of type {given.dtype}"
        elif not ((given >= 0) & (given <= 1)).all():
            what = f"values from {given.min():g} to {given.max():g}"
        if what:
            raise MedcontourError(
                f"The promptable network {self.model.name} gave {what} for a slice of {shape[0]} x "
                f"{shape[1]} pixels; it is to give a mask of that shape, or probabilities from 0 "
                "to 1."
            )
        return given.astype(np.float32)


def box_around(
    contour: npt.NDArray[np.float64], plane: PlaneGeometry, grown: float
) -> npt.NDArray[np.float64]:
    """(4,) left, top, right, bottom of a box about a contour, on the plane; index coordinates.

    Parameters
    ----------
    contour
        (V, 2) corners as (column, row).
    plane
        Its plane.
    grown
        How much wider and higher than the contour the box is, as a fraction of that.

    Examples
    --------
    >>> square = np.array([[10.0, 2.0], [30.0, 2.0], [30.0, 12.0], [10.0, 12.0]])
    >>> box_around(square, PlaneGeometry(48, 64), 0.5).tolist()
    [5.0, 0.0, 35.0, 14.5]
    """
    least, most = contour.min(0), contour.max(0)
    margin = (most - least) * grown / 2
    last = np.array([plane.columns - 1.0, plane.rows - 1.0])
    return np.concatenate([np.clip(least - margin, 0, last), np.clip(most + margin, 0, last)])
