"""How well a finding says what an object in the patient is, over all its slices.

Shared by the scripts beside it. Volumes are (slices, rows, columns) bool on a scan's own voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from localisation import Mask, added_path_length, boundary, dice

from medcontour.results import Finding
from medcontour.results.finding import slice_thickness_mm, volume_mm3
from medcontour.results.masks import pixel_mask
from medcontour.scan import Scan

Labels = npt.NDArray[Any]
"""(slices, rows, columns) label of each voxel, 0 for none."""

TOO_LARGE = 2.0


def voxel_volume_mm3(volume: Mask, scan: Scan) -> float:
    """Volume of the voxels, each as high as its slice is thick."""
    areas = volume.sum((1, 2)) * np.prod(scan.pixel_spacing)
    return volume_mm3(dict(enumerate(areas.tolist())), scan) or 0.0


def middle_lps(volume: Mask, scan: Scan) -> npt.NDArray[np.float64]:
    """(3,) LPS mm: the middle of the voxels, each counted by its slice's thickness; not of none."""
    slices = np.flatnonzero(volume.any((1, 2)))
    weights = slice_thickness_mm(scan)[slices] * volume[slices].sum((1, 2))
    middles = [scan.to_lps(np.argwhere(volume[k])[:, ::-1], int(k)).mean(0) for k in slices]
    return np.asarray(np.average(middles, axis=0, weights=weights))


def object_figures(found: Mask, truth: Mask, scan: Scan) -> dict[str, Any]:
    """Compare an object with what it is held to be.

    Parameters
    ----------
    found
        What the finding's outlines enclose; may be empty.
    truth
        The object, at least one voxel.
    scan
        Where both lie.

    Returns
    -------
    dict
        Dice over the volume; the distance between the middles in mm, None where nothing was found;
        the added path length, summed over slices, and the length of the truth's whole boundary.
    """
    apart = None
    if found.any():
        apart = float(np.linalg.norm(middle_lps(found, scan) - middle_lps(truth, scan)))
    planes = list(zip(truth, found, strict=True))
    side = np.sqrt(np.prod(scan.pixel_spacing))
    return {
        "Dice": dice(found, truth),
        "distance mm": apart,
        "APL mm": sum(added_path_length(own, other, scan.pixel_spacing) for own, other in planes),
        "boundary mm": float(sum(boundary(own).sum() for own in truth) * side),
    }


def best_fit(volumes: Sequence[Mask], truth: Mask) -> int | None:
    """Which volume has the highest Dice against the truth; None where none meets it."""
    scores = [dice(volume, truth) for volume in volumes]
    return int(np.argmax(scores)) if any(scores) else None


def slice_fit(outline: Mask, labels: npt.NDArray[Any]) -> tuple[float, float] | None:
    """Compare an outline with the object of its slice that it fits best.

    Parameters
    ----------
    outline
        (rows, columns) what it encloses.
    labels
        (rows, columns) label of each pixel, 0 for none.

    Returns
    -------
    tuple
        Dice, and how many times as large as the object it is; None where it contains none.
    """
    met = [labels == label for label in np.unique(labels[outline & (labels > 0)])]
    fits = [(dice(outline, truth), float(outline.sum() / truth.sum())) for truth in met]
    return max(fits, default=None)


def finding_rows(findings: Sequence[Finding], labels: Labels, scan: Scan) -> list[dict[str, Any]]:
    """Hold findings against objects.

    Parameters
    ----------
    findings
        What a label map would hold of them.
    labels, scan
        At least one object, and where everything lies.

    Returns
    -------
    list
        A row an object with the finding that fits it best, which Dice is 0 where none meets it;
        then one for each finding that is no object's.
    """
    volumes = [finding.mask(scan) for finding in findings]
    rows, taken = [], set()
    for label in np.unique(labels[labels > 0]).tolist():
        truth = labels == label
        fit = best_fit(volumes, truth)
        taken.add(fit)
        found = np.zeros_like(truth) if fit is None else volumes[fit]
        said = _said(label, None if fit is None else findings[fit], voxel_volume_mm3(truth, scan))
        rows.append({**said, **object_figures(found, truth, scan)})
    others = [finding for n, finding in enumerate(findings) if n not in taken]
    return rows + [{**dict.fromkeys(rows[0]), **_said(None, other, None)} for other in others]


def _said(label: int | None, found: Finding | None, truth: float | None) -> dict[str, Any]:
    volume = None if found is None else found.volume_mm3
    return {
        "nodule": label,
        "finding": "none" if found is None else found.name,
        "status": None if found is None else found.status,
        "volume mm3": volume,
        "truth mm3": truth,
        "ratio": volume / truth if volume and truth else None,
    }


def in_words(
    rows: Sequence[dict[str, Any]], findings: Sequence[Finding], labels: Labels, scan: Scan
) -> str:
    """Sum up `finding_rows`, and count the outlines that contain no object or far too much."""
    scores = [row["Dice"] for row in rows if row["nodule"] is not None]
    fits = [
        slice_fit(pixel_mask(outline.polygon_lps_mm, scan, outline.slice), labels[outline.slice])
        for finding in findings
        for outline in finding.outlines
    ]
    large = sum(fit is not None and fit[1] > TOO_LARGE for fit in fits)
    return (
        f"Dice of the {len(scores)} nodules: mean {np.mean(scores):.3f}, least {min(scores):.3f}. "
        f"Of {len(fits)} exported outlines {fits.count(None)} contain no nodule, and {large} are "
        f"more than {TOO_LARGE:g} times as large as the nodule of their slice."
    )
