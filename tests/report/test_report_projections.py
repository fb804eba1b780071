"""Where findings lie in the patient, on scans that lie askew in it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from medcontour.report.projections import make_backdrops, make_projections
from medcontour.results import make_finding
from medcontour.scan.scan import Scan

# What is to the right and what is below in each view, as LPS directions.
SIGHTS = {
    "Axial": ([1, 0, 0], [0, 1, 0]),
    "Coronal": ([1, 0, 0], [0, 0, -1]),
    "Sagittal": ([0, 1, 0], [0, 0, -1]),
}


def turned(scan: Scan, rotation: np.ndarray, heights: tuple[float, ...] | None = None) -> Scan:
    """The scan in another place of the patient, its slices at other distances."""
    affine = scan.affine_lps.copy()
    affine[:3] = rotation @ affine[:3]
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    normal *= np.sign(normal @ affine[:3, 2]) / np.linalg.norm(normal)
    steps = np.arange(scan.slices) * 3.0 if heights is None else np.array(heights)
    return replace(
        scan,
        affine_lps=affine,
        slice_origins_lps=affine[:3, 3] + steps[:, None] * normal,
        regular=heights is None,
    )


def placings() -> Iterator[tuple[str, np.ndarray, tuple[float, ...] | None]]:
    yield "oblique", np.eye(3), None
    yield "sagittal", np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]]), None
    yield "coronal", np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]), None
    yield "feet first", np.diag([-1, 1, -1]), None
    yield "left-handed", np.diag([1, 1, -1]), None
    yield "askew", Rotation.from_euler("xyz", [37, -28, 61], degrees=True).as_matrix(), None
    yield "uneven", np.eye(3), (0.0, 3.0, 11.0)
    yield "backwards", np.diag([1, -1, 1]), (0.0, -4.0, -6.0)


@pytest.fixture(params=list(placings()), ids=lambda placing: placing[0])
def lying(request: pytest.FixtureRequest, case: Any) -> Scan:
    _, rotation, heights = request.param
    return turned(case.scan, rotation, heights)


def finding_on(case: Any, scan: Scan, contour_of: Any) -> Any:
    """The bright ellipse outlined on all slices."""
    parts = [
        replace(
            case.suggestion.slices[0],
            slice=k,
            outlines=(contour_of("outline", case.bright, scan, k),),
            evidence_contours=(),
        )
        for k in range(scan.slices)
    ]
    return make_finding(parts, 1, scan)


def voxels_lps(scan: Scan, chosen: np.ndarray) -> np.ndarray:
    """(n, 3): eight corners of each voxel chosen, from direction cosines and spacings."""
    k, row, column = np.nonzero(chosen)
    x, y = scan.affine_lps[:3, 0], scan.affine_lps[:3, 1]
    normal = np.cross(x, y) / np.linalg.norm(np.cross(x, y))
    origins = scan.slice_origins_lps
    gaps = np.linalg.norm(np.diff(origins, axis=0), axis=1)
    thick = (np.r_[gaps[:1], gaps] + np.r_[gaps, gaps[-1:]]) / 2
    corners = [
        origins[k]
        + (column[:, None] + a) * x
        + (row[:, None] + b) * y
        + c * thick[k, None] * normal
        for a in (-0.5, 0.5)
        for b in (-0.5, 0.5)
        for c in (-0.5, 0.5)
    ]
    return np.concatenate(corners)


def seen(points: np.ndarray, view: str) -> np.ndarray:
    """Left, top, right and bottom of points in a view."""
    flat = points @ np.array(SIGHTS[view], float).T
    return np.concatenate([flat.min(0), flat.max(0)])


def box(item: Any) -> list[float]:
    return [item.x, item.y, item.x + item.width, item.y + item.height]


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))).astype(int)


def test_scan_and_finding_lie_where_their_voxels_do(
    lying: Scan, case: Any, contour_of: Any
) -> None:
    backdrops = make_backdrops(lying)
    projections = make_projections(finding_on(case, lying, contour_of), lying, backdrops)
    bright = lying.voxels > -200  # half of the way: the ellipse's rim
    assert [back.name for back in backdrops] == list(SIGHTS)
    for back, found in zip(backdrops, projections, strict=True):
        whole = seen(voxels_lps(lying, np.ones_like(bright)), back.name)
        assert box(back) == pytest.approx(whole, abs=1e-6)
        truth = seen(voxels_lps(lying, bright), back.name)
        assert box(found) == pytest.approx(truth, abs=1.7)  # a voxel's longer side in the plane
        path = np.array([p.split(",") for p in re.findall(r"[-\d.e]+,[-\d.e]+", found.path)], float)
        drawn = np.concatenate([path.min(0), path.max(0)])
        assert drawn == pytest.approx(np.array(box(found)), abs=0.5)


def test_the_picture_shows_the_scan_where_it_lies(lying: Scan) -> None:
    bright = lying.voxels > -499
    for back in make_backdrops(lying):
        shown = picture(back.picture)
        row, column = np.nonzero(shown > 6)
        step = np.array([back.width / shown.shape[1], back.height / shown.shape[0]])
        low = (back.x, back.y) + np.array([column.min(), row.min()]) * step
        high = (back.x, back.y) + np.array([column.max() + 1, row.max() + 1]) * step
        truth = seen(voxels_lps(lying, bright), back.name)
        tolerance = 1.7 + 1.5 * step.max()
        assert np.concatenate([low, high]) == pytest.approx(truth, abs=tolerance)


def test_views_say_how_they_lie(case: Any, contour_of: Any) -> None:
    """Radiologists' sides; and in words, for those who do not see the pictures."""
    scan = turned(case.scan, np.eye(3))
    backdrops = make_backdrops(scan)
    letters = ["".join(vars(back.edges).values()) for back in backdrops]
    assert letters == ["RLAP", "RLHF", "APHF"]
    projections = make_projections(finding_on(case, scan, contour_of), scan, backdrops)
    for found, sides in zip(
        projections,
        (("right to left", "front to back"), ("right to left", "head to feet"),
         ("front to back", "head to feet")),
        strict=True,
    ):  # fmt: skip
        back = found.backdrop
        across = (found.x + found.width / 2 - back.x) / back.width
        down = (found.y + found.height / 2 - back.y) / back.height
        assert f"{100 * across:.0f} % of the way from {sides[0]}" in found.alt
        assert f"{100 * down:.0f} % from {sides[1]}" in found.alt


def test_without_a_place_in_the_patient_there_are_none(case: Any) -> None:
    scan = case.scan
    flat = replace(scan, affine_lps=np.eye(4), slice_origins_lps=np.zeros((3, 3)), units="pixel")
    single = replace(scan, voxels=scan.voxels[:1], slice_origins_lps=scan.slice_origins_lps[:1])
    assert make_backdrops(replace(scan, datasets=(Dataset(),) * 3)) == ()
    assert make_backdrops(flat) == make_backdrops(single) == ()


def test_evidence_stands_in_for_a_missing_outline(case: Any) -> None:
    backdrops = make_backdrops(case.scan)
    part = case.suggestion.slices[0]

    def shown(**changes: Any) -> Any:
        finding = make_finding([replace(part, **changes)], 1, case.scan)
        return make_projections(finding, case.scan, backdrops)

    assert {found.kind for found in shown()} == {"outline"}
    assert {found.kind for found in shown(outlines=())} == {"evidence"}
    assert shown(outlines=(), evidence_contours=()) == ()


def test_colour_is_averaged(case: Any) -> None:
    colour = np.repeat(case.scan.voxels[..., None], 3, axis=-1)
    grey = make_backdrops(case.scan)
    assert make_backdrops(replace(case.scan, voxels=colour)) == grey
