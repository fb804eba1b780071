"""Figures of objects in the patient against closed forms and SimpleITK, on tilted uneven stacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from localisation import dice
from numpy.typing import NDArray
from volumes import best_fit, finding_rows, in_words, object_figures, slice_fit, voxel_volume_mm3

from medcontour.results import Finding, FindingSlice, PlacedContour, make_finding
from medcontour.scan import Scan

SHAPE = (6, 30, 40)
COLUMN, ROW, GAP = 0.5, 2.0, 3.0
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def scan(gaps: tuple[float, ...] = (GAP,) * 5, lean: float = 0.0, flip: int = 1) -> Scan:
    """Oblique; `lean` tilts the stack against its slices, `flip` of -1 mirrors its columns."""
    affine = np.eye(4)
    affine[:3, :3] = TURN @ np.diag([flip * COLUMN, ROW, GAP])
    step = TURN @ np.array([0.0, lean, 1.0])
    affine[:3, 2] = GAP * step
    heights = np.cumsum([0.0, *gaps])
    origins = np.array([10.0, -20.0, 30.0]) + heights[:, None] * step
    affine[:3, 3] = origins[0]
    return Scan(
        np.zeros(SHAPE, np.float32),
        affine,
        origins,
        "mm",
        "CT",
        "memory",
        (0.0, 1.0),
        regular=len(set(gaps)) == 1,
    )


def box(first: int, row: int, column: int, deep: int = 3, side: int = 6) -> NDArray[np.bool_]:
    volume = np.zeros(SHAPE, dtype=bool)
    volume[first : first + deep, row : row + side, column : column + side] = True
    return volume


def finding(volume: NDArray[np.bool_], where: Scan, number: int = 1) -> Finding:
    """Boxes as outlines along the outer sides of their pixels."""
    parts = []
    for k in np.flatnonzero(volume.any((1, 2))).tolist():
        (top, left), (bottom, right) = (f(np.argwhere(volume[k]), 0) for f in (np.min, np.max))
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
        outer = np.array(corners) + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
        area = float(volume[k].sum() * COLUMN * ROW)
        curve = PlacedContour("outline", k, {}, where.to_lps(outer, k), area)
        part: dict[str, Any] = {"evidence": None, "evidence_contours": (), "outlines": (curve,)}
        parts.append(FindingSlice(k, None, "nodule", 0.9, "suggested", **part))
    return make_finding(parts, number, where)


@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize("lean", [0.0, 0.3])
def test_figures_of_a_moved_box_on_an_oblique_stack(flip: int, lean: float) -> None:
    where, truth = scan(lean=lean, flip=flip), box(1, 5, 5)
    assert object_figures(truth, truth, where) == {
        "Dice": 1.0,
        "distance mm": pytest.approx(0.0, abs=1e-9),
        "APL mm": 0.0,
        "boundary mm": pytest.approx(3 * 20 * math.sqrt(COLUMN * ROW)),
    }
    rows = object_figures(box(1, 8, 5), truth, where)
    assert rows["Dice"] == 0.5
    assert rows["distance mm"] == pytest.approx(3 * ROW)
    up = object_figures(box(2, 5, 5), truth, where)
    assert up["distance mm"] == pytest.approx(GAP * math.hypot(1.0, lean))
    assert up["Dice"] == pytest.approx(2 / 3)
    # One of three slices is to be drawn anew; what is on the fourth is to be deleted, not drawn.
    assert up["APL mm"] == pytest.approx(up["boundary mm"] / 3)


def test_an_object_that_was_not_found_has_its_whole_boundary_to_draw() -> None:
    figures = object_figures(np.zeros(SHAPE, dtype=bool), box(1, 5, 5), scan())
    assert (figures["Dice"], figures["distance mm"]) == (0.0, None)
    assert figures["APL mm"] == pytest.approx(figures["boundary mm"])
    assert figures["APL mm"] > 0


def test_volume_and_middle_agree_with_simpleitk() -> None:
    where = scan()
    found, truth = (np.random.default_rng(s).random(SHAPE) < 0.3 for s in (1, 2))
    shapes = []
    for volume in (found, truth):
        image = sitk.GetImageFromArray(volume.astype(np.uint8))
        image.SetSpacing((COLUMN, ROW, GAP))
        image.SetDirection(TURN.ravel())
        image.SetOrigin(where.slice_origins_lps[0].tolist())
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(image)
        shapes.append(shape)
        assert voxel_volume_mm3(volume, where) == pytest.approx(shape.GetPhysicalSize(1))
    apart = np.subtract(*(shape.GetCentroid(1) for shape in shapes))
    figures = object_figures(found, truth, where)
    assert figures["distance mm"] == pytest.approx(np.linalg.norm(apart))


def test_uneven_slices_count_as_thick_as_they_are() -> None:
    gaps = (2.0, 2.0, 2.0, 8.0, 2.0)
    where, truth = scan(gaps), box(2, 5, 5, deep=2)
    area = 36 * COLUMN * ROW
    assert voxel_volume_mm3(truth, where) == pytest.approx(area * (2.0 + 5.0))
    # Slices 2 and 3 lie at 4 and 6 mm and are 2 and 5 mm thick.
    apart = object_figures(box(2, 5, 5, deep=1), truth, where)["distance mm"]
    assert apart == pytest.approx((4 * 2 + 6 * 5) / 7 - 4)


def test_best_fit_is_the_highest_dice_and_none_without_overlap() -> None:
    truth = box(1, 5, 5)
    others = [box(1, 9, 5), box(1, 6, 5), box(3, 20, 30)]
    assert best_fit(others, truth) == 1
    assert best_fit(others[2:], truth) is None
    assert best_fit([], truth) is None


def test_slice_fit_takes_the_object_that_the_outline_fits_best() -> None:
    labels = np.zeros(SHAPE[1:], dtype=int)
    labels[5:11, 5:11] = 1
    labels[5:8, 12:15] = 2
    outline = box(0, 4, 4, deep=1, side=12)[0]
    assert slice_fit(outline, labels) == (dice(outline, labels == 1), 144 / 36)
    assert slice_fit(labels == 2, labels) == (1.0, 1.0)
    assert slice_fit(box(0, 20, 30, deep=1)[0], labels) is None


def test_every_object_and_every_other_finding_has_a_row() -> None:
    where = scan()
    labels = np.zeros(SHAPE, dtype=int)
    labels[box(1, 5, 5)], labels[box(1, 20, 5)] = 1, 2
    exact, beside = finding(labels == 1, where, 1), finding(box(3, 15, 30, deep=2), where, 2)
    rows = finding_rows([beside, exact], labels, where)
    assert [(row["nodule"], row["finding"]) for row in rows] == [
        (1, "nodule 1"),
        (2, "none"),
        (None, "nodule 2"),
    ]
    assert len({tuple(row) for row in rows}) == 1
    good, missed, false = rows
    assert good["Dice"] == 1.0
    assert good["ratio"] == pytest.approx(1.0)
    assert good["volume mm3"] == pytest.approx(3 * 36 * COLUMN * ROW * GAP)
    assert (missed["Dice"], missed["volume mm3"], missed["ratio"]) == (0.0, None, None)
    assert missed["truth mm3"] == good["truth mm3"]
    assert (false["Dice"], false["truth mm3"]) == (None, None)
    assert false["volume mm3"] == beside.volume_mm3
    words = in_words(rows, [beside, exact], labels, where)
    assert "2 nodules: mean 0.500, least 0.000" in words
    assert "Of 5 exported outlines 2 contain no nodule, and 0 are" in words
    wide = finding(box(1, 3, 3, side=10), where)
    assert "0 contain no nodule, and 3 are" in in_words(
        finding_rows([wide], labels, where), [wide], labels, where
    )
