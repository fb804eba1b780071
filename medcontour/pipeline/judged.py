"""Evidence of a curve as it is: what the classifier says of an outline, without a search."""

from __future__ import annotations

from dataclasses import replace

import numpy.typing as npt
from shapely import box

from medcontour.classifier import Classifier, target_index
from medcontour.contour.polygons import region
from medcontour.errors import MedcontourError
from medcontour.pipeline.calibrating import calibration_for
from medcontour.pipeline.from_start import explain_from, largest_part, start_curve
from medcontour.pipeline.settings import Settings
from medcontour.results import Finding, make_finding
from medcontour.scan import Scan

__all__ = ["check_on_image", "judge_with"]


def judge_with(
    scan: Scan, classifier: Classifier, k: int, corners: npt.ArrayLike, settings: Settings
) -> Finding:
    """Judge one curve of slice `k` as it is: nothing is searched for, and nothing is moved.

    Parameters
    ----------
    scan, classifier
        As of `suggest`.
    k
        Index of the slice.
    corners
        (n, 3) corners of a closed curve in the slice's plane, LPS mm; the first is not repeated.
        What is judged is the star-convex curve fitted to it.
    settings
        The class, the background, the preset and the seed of the placement test.

    Returns
    -------
    A finding of that slice alone: its evidence and outline are the curve, its status says whether
    it keeps the class better than random places do, and `trust` is what a suggestion with such
    figures would have, where the classifier has a calibration.

    Raises
    ------
    MedcontourError
        For a class or slice that is not there, and a curve without an area on the image.

    Examples
    --------
    >>> judge_with(scan, classifier, 13, corners, Settings()).trust  # doctest: +SKIP
    0.81
    """
    check_on_image(corners, scan, k)
    target = target_index(classifier, settings.target)
    curve = start_curve(largest_part(corners, scan, k), settings)
    only = replace(settings, outline="none", contours=1, area=None, area_mm2=None)
    part = explain_from(scan, classifier, target, k, curve, only, as_it_is=True)
    assert part.evidence is not None
    [evidence] = part.evidence_contours
    quality = {"preserved": part.evidence.preserved, "deleted": part.evidence.deleted}
    outline = replace(evidence, kind="outline", quality=quality)
    finding = make_finding([replace(part, outlines=(outline,))], 1, scan)
    calibration, _ = calibration_for(None, classifier, target)
    return finding if calibration is None else calibration.of_finding(finding)


def check_on_image(corners: npt.ArrayLike, scan: Scan, k: int) -> None:
    """Refuse a closed curve that covers less than a pixel of a slice.

    Parameters
    ----------
    corners
        (n, 3) LPS mm.
    scan, k
        The scan, and the index of the slice.

    Raises
    ------
    MedcontourError
        For that, and for a slice that is not there.
    """
    if not 0 <= k < scan.slices:
        raise MedcontourError(
            f"There is no slice of index {k}: the scan has {scan.slices}, of index 0 to "
            f"{scan.slices - 1}."
        )
    image = box(-0.5, -0.5, scan.columns - 0.5, scan.rows - 0.5)
    if region(scan.to_index(corners, k)).intersection(image).area < 1:
        raise MedcontourError(
            "A curve covers less than a pixel of its slice; give the corners of a closed curve on "
            "the image."
        )
