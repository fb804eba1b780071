"""The figures against closed forms, and against MONAI's on finely drawn masks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from shapely import MultiPolygon
from skimage.draw import polygon2mask

from medcontour.contour.measures import compare
from medcontour.contour.polygons import deviation_mm, keyhole, region
from medcontour.edits.edit_report import EditReport, FindingSliceEdit

ANGLES = np.arange(512) * 2 * np.pi / 512


def circle(radius: float, centre=(0.0, 0.0)) -> np.ndarray:
    # Corners so far out that the polygon has the circle's area.
    reach = radius * np.sqrt(2 * np.pi / len(ANGLES) / np.sin(2 * np.pi / len(ANGLES)))
    return reach * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1) + centre


@settings(max_examples=15)
@given(st.floats(2, 40), st.floats(0.1, 8))
def test_two_circles_about_one_centre(radius: float, further: float) -> None:
    outer = radius + further
    figures = compare([(region(circle(radius)), region(circle(outer)), circle(outer))], 0.5)
    assert figures.dice == pytest.approx(2 * radius**2 / (radius**2 + outer**2), rel=1e-5)
    assert figures.hausdorff95_mm == pytest.approx(further, abs=1e-3)
    assert figures.area_change_mm2 == pytest.approx(np.pi * (outer**2 - radius**2), rel=1e-4)
    assert figures.area_change_percent == pytest.approx(100 * ((outer / radius) ** 2 - 1), rel=1e-4)
    if abs(further - 2) > 0.01:
        assert figures.surface_dice_2mm == pytest.approx(float(further < 2), abs=1e-6)
    if abs(further - 0.5) > 0.01:
        added = 2 * np.pi * outer if further > 0.5 else 0.0
        assert figures.added_path_length_mm == pytest.approx(added, rel=1e-4)
    assert figures.vertices == figures.vertices_moved == 512
    assert deviation_mm(circle(radius), circle(outer)) == pytest.approx(further, abs=1e-3)


def test_a_side_moved_out_of_a_square() -> None:
    before = region([[0, 0], [10, 0], [10, 10], [0, 10]])
    after = np.array([[0, 0], [14, 0], [14, 10], [0, 10]])
    figures = compare([(before, region(after), after)], added_beyond=1.0)
    assert figures.dice == pytest.approx(200 / 240)
    assert figures.vertices_moved == 2
    # Of the new side all, of the top and the bottom what is over 1 mm from the corner.
    assert figures.added_path_length_mm == pytest.approx(10 + 2 * 3, abs=1e-3)
    assert figures.hausdorff95_mm == pytest.approx(4)
    # Within 2 mm: of before all but the side, of after up to 2 mm past the corners, and of the
    # side of before its ends, which the top and the bottom of after touch.
    near = (30 + 2 * 2) + (30 + 2 * 2)
    assert figures.surface_dice_2mm == pytest.approx(near / (40 + 48), abs=1e-3)


def test_nothing_before_and_nothing_after() -> None:
    square, nothing = region([[0, 0], [10, 0], [10, 10], [0, 10]]), MultiPolygon()
    new = compare([(nothing, square, None)])
    assert (new.dice, new.surface_dice_2mm, new.hausdorff95_mm) == (0, 0, None)
    assert (new.added_path_length_mm, new.area_change_percent) == (40, None)
    gone = compare([(square, nothing, None)])
    assert (gone.dice, gone.added_path_length_mm, gone.area_change_percent) == (0, 0, -100)
    both = compare([(square, square, None), (nothing, square, None)])
    assert both.dice == pytest.approx(2 / 3)
    document = EditReport(
        "a", "mm", (), (FindingSliceEdit(3, "x", 0, 0, 1, 0, new),), new
    ).to_json()
    assert json.loads(document)["slices"][0]["hausdorff95_mm"] is None


@pytest.mark.parametrize("seed", range(3))
def test_monai_agrees_on_finely_drawn_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    step, side = 0.1, 480
    shapes = []
    for _ in range(2):
        waves = sum(
            rng.normal(0, 1.2 / k) * np.cos(k * ANGLES + rng.uniform(0, 6)) for k in range(1, 6)
        )
        centre = 24 + rng.uniform(-1.5, 1.5, 2)
        shapes.append(circle(1.0) * (13 + waves)[:, None] + centre)
    figures = compare([(region(shapes[0]), region(shapes[1]), None)])
    masks = [
        torch.from_numpy(polygon2mask((side, side), shape[:, ::-1] / step))[None, None].float()
        for shape in shapes
    ]
    distance = compute_hausdorff_distance(
        masks[1], masks[0], include_background=True, percentile=95, spacing=step
    )
    assert figures.hausdorff95_mm == pytest.approx(float(distance), abs=0.15)
    # Its distances are whole pixels': what lies within 2 mm is known to a pixel.
    low, high = (
        compute_surface_dice(
            masks[1],
            masks[0],
            [within],
            include_background=True,
            spacing=(step, step),
            use_subvoxels=True,
        )
        for within in (2.0 - step, 2.0 + step)
    )
    assert float(low) - 0.001 <= figures.surface_dice_2mm <= float(high) + 0.001
    shared = float((masks[0] * masks[1]).sum() * 2 / (masks[0].sum() + masks[1].sum()))
    assert figures.dice == pytest.approx(shared, abs=0.003)


def test_keyhole_holds_the_ring_and_no_more() -> None:
    ring = (
        region(circle(10))
        .difference(region(circle(6, (1, 0))))
        .difference(region(circle(1.5, (-7.4, 1))))
    )
    corners = keyhole(ring)
    x, y = corners.T
    shoelace = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert shoelace == pytest.approx(ring.area, rel=1e-9)
    assert region(corners).symmetric_difference(ring).area < 1e-9
    painted = polygon2mask((60, 60), corners[:, ::-1] * 2.5 + 29.7)
    assert painted.sum() / 2.5**2 == pytest.approx(ring.area, rel=0.02)
