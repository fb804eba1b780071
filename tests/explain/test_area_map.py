"""Fixed areas (Eq. 10), maps of them, and random circles, on planes of any shape."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS, Perturbation, TargetObjective, area_map, optimise
from medcontour.explain.analysis.area_map import random_circles
from medcontour.explain.search.area import scaled_to_area


def spot(
    rows: int, columns: int, spacing: tuple[float, float], flipped: bool
) -> tuple[Perturbation, TargetObjective]:
    """A bright rectangle off the middle; the input's axes may run against the plane's."""
    image = torch.zeros(1, 1, rows, columns)
    image[..., rows // 2 : 3 * rows // 4, columns // 5 : columns // 2] = 1.0
    plane = PlaneGeometry(rows, columns, spacing)
    points = plane.pixel_centres()
    if flipped:
        image, points = image.flip(-1, -2), points.flip(0, 1)
    score_of = (image / image.sum()).clone()

    def score(inputs: torch.Tensor) -> torch.Tensor:
        return 12 * (inputs * score_of).flatten(1).sum(1, keepdim=True) - 6

    background = torch.zeros_like(image)
    return Perturbation(image, background, points, plane), TargetObjective(
        score, image, background, target=0
    )


@pytest.mark.slow
@settings(max_examples=12)
@given(
    area=st.floats(0.1, 0.7),
    rows=st.integers(40, 70),
    columns=st.integers(40, 70),
    row=st.floats(0.5, 2.0),
    flipped=st.booleans(),
)
def test_a_fixed_area_is_the_counted_one(
    area: float, rows: int, columns: int, row: float, flipped: bool
) -> None:
    perturbation, objective = spot(rows, columns, (row, 1.0), flipped)
    fit = optimise(perturbation, objective, replace(PRESETS["fast"], steps=8), area=area)
    assert float(fit.area_fraction[0]) == pytest.approx(area, abs=0.01)
    counted = fit.contours.contains(perturbation.points).float().mean()
    assert float(counted) == pytest.approx(area, abs=0.02)  # half a pixel along the edge


@pytest.mark.slow
@given(
    x=st.floats(-1, 1), y=st.floats(-1, 1), fraction=st.floats(0.01, 0.78), row=st.floats(0.4, 2.5)
)
def test_a_curve_anywhere_can_be_scaled_to_an_area(
    x: float, y: float, fraction: float, row: float
) -> None:
    plane = PlaneGeometry(60, 80, (row, 1.0))
    center = torch.tensor([[x, y]]) * torch.tensor(plane.extent)
    curve = FourierContour.circles(center, torch.tensor([0.2]))
    curve.harmonics[0, 1] = torch.tensor([0.2, -0.1])
    scaled = scaled_to_area(curve, plane, fraction)
    assert float(scaled.area_inside(plane)) / plane.area == pytest.approx(fraction, abs=1e-3)
    assert torch.equal(scaled.harmonics, curve.harmonics)


@pytest.mark.slow
def test_a_map_is_nested_better_than_chance_and_rises_with_area() -> None:
    perturbation, objective = spot(48, 64, (1.5, 1.0), flipped=False)
    found = area_map(perturbation, objective, [0.2, 0.03, 0.08], circles=16)
    assert found.areas == (0.03, 0.08, 0.2)
    assert found.area_fraction[:, 0].tolist() == pytest.approx(found.areas, abs=0.01)
    kept = found.preserved[:, 0]
    assert (kept.diff() > 0).all()
    assert (kept > found.random_preserved[:, 0].mean(-1)).all()
    assert (found.deleted[:, 0] < found.random_deleted[:, 0].mean(-1)).all()
    inside = [c.contains(perturbation.points) for c in found.contours]
    for smaller, larger in itertools.pairwise(inside):
        assert (smaller & larger).sum() > 0.8 * smaller.sum()
    assert found.random_evaluations == 3 * 16 / 2


def test_random_circles_cover_what_is_asked_wherever_they_lie() -> None:
    perturbation, _ = spot(40, 80, (2.5, 1.0), flipped=True)
    places = perturbation.points.reshape(-1, 2)
    circles = random_circles(perturbation, (0.1, 0.6), places, 20, torch.Generator().manual_seed(1))
    counted = circles.contains(perturbation.points).float().mean((-1, -2)).view(2, 20)
    assert torch.allclose(counted, torch.tensor([[0.1], [0.6]]).expand(2, 20), atol=0.012)
    assert len(circles.center.unique(dim=0)) > 15


@pytest.mark.parametrize(
    ("areas", "words"),
    [([], "at least one"), ([0.1, 0.1], "twice"), ([0.9], "0.785"), ([0.1, 0.0], "0.001")],
)
def test_areas_that_make_no_map(areas: list[float], words: str) -> None:
    perturbation, objective = spot(40, 40, (1.0, 1.0), flipped=False)
    with pytest.raises(MedcontourError, match=words):
        area_map(perturbation, objective, areas)
