"""A reader's outlines as curves, taken over as any edited file is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medcontour.edits import Refined
from medcontour.errors import MedcontourError
from medcontour.formats.shapes import Edited, EditedShape
from medcontour.pipeline import check_on_image
from medcontour.results import Suggestion
from medcontour.scan import Scan
from medcontour.workspace.studies import Workspace

__all__ = ["Curve", "edited_curves", "take_over_curves"]


@dataclass(frozen=True)
class Curve:
    """One closed outline as a reader leaves it.

    Attributes
    ----------
    finding
        The `id` of the finding that it belongs to; None for a new one.
    label
        The class of a new one.
    slice
        Index of the slice.
    corners_lps_mm
        (n, 3) in the slice's plane, the first not repeated.
    """

    finding: str | None
    label: str
    slice: int
    corners_lps_mm: npt.NDArray[np.float64]


def take_over_curves(workspace: Workspace, study: str, curves: Sequence[Curve]) -> Refined:
    """Compare a reader's curves with what was suggested; keep the edit and its report.

    Parameters
    ----------
    workspace, study
        Where the study is.
    curves
        All outlines that are to stay: one that was suggested and is not among them was removed.

    Raises
    ------
    MedcontourError
        Where nothing was suggested yet, for a finding or slice that is not there, and for a curve
        without an area on the image.
    """
    before = workspace.kept(study)
    if before is None:
        raise MedcontourError(
            "Nothing was suggested for this study yet, so there is nothing to edit; suggest first."
        )
    return workspace.take_over(study, edited_curves(before, workspace.scan(study), curves))


def edited_curves(before: Suggestion, scan: Scan, curves: Sequence[Curve]) -> Edited:
    """Give a reader's curves as `medcontour.refine` takes an edited file.

    Parameters
    ----------
    before
        What was suggested.
    scan
        The scan that it was suggested for.
    curves
        All outlines that are to stay.

    Raises
    ------
    MedcontourError
        For a finding or slice that is not there, and for a curve without an area on the image.

    Examples
    --------
    >>> edited = edited_curves(suggestion, scan, curves)  # doctest: +SKIP
    >>> medcontour.refine(suggestion, edited, scan).report.total.dice  # doctest: +SKIP
    0.93
    """
    return Edited("curves", tuple(_shapes(before, scan, curves)))


def _shapes(before: Suggestion, scan: Scan, curves: Sequence[Curve]) -> Iterator[EditedShape]:
    """The curves in their slices' planes, under the names that findings have."""
    names = {finding.id: finding.name for finding in before}
    number = max((finding.number or 0 for finding in before), default=0)
    for curve in curves:
        k, corners = curve.slice, curve.corners_lps_mm
        check_on_image(corners, scan, k)
        if curve.finding is None:
            name = curve.label
            if name in before.classifier.labels:  # of the classes there may be several
                number += 1
                name = f"{name} {number}"
        elif curve.finding in names:
            name = names[curve.finding]
        else:
            raise MedcontourError(
                "A curve belongs to a finding that is not there; give one of this study, or none "
                "for a new one."
            )
        in_plane = scan.to_lps(scan.to_index(corners, k), k)
        yield EditedShape(name, None, k, in_plane, kind="outline")
