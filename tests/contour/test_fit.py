"""Curves fitted to polygons and masks: what the parameters can hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from shapes import wild_curves

from medcontour.contour import FourierContour, Parametrisation, PlaneGeometry, fit_mask, fit_polygon

PLANES = {"square": PlaneGeometry(96, 96), "oblong": PlaneGeometry(64, 100, (1.4, 0.9))}


def turned(plane: PlaneGeometry, angle: float) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = (plane.pixel_centres().double() - torch.tensor([0.04, -0.03])).unbind(-1)
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def ellipse(plane: PlaneGeometry, ratio: float) -> torch.Tensor:
    u, v = turned(plane, 0.5)
    width = 0.6 / ratio if ratio > 1 else 0.4
    return (u / (width * ratio)) ** 2 + (v / width) ** 2 < 1


def kidney(plane: PlaneGeometry) -> torch.Tensor:
    u, v = turned(plane, 0.5)
    return (u / 0.5) ** 2 + ((v - 0.5 * u**2 + 0.04) / 0.22) ** 2 < 1


def overlap(curve: FourierContour, mask: torch.Tensor, plane: PlaneGeometry) -> float:
    found = curve.contains(plane.pixel_centres())[0]
    return float((found & mask).sum() / (found | mask).sum())


@pytest.mark.slow
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(
    ("shape", "without", "with_frame"),
    [
        (1.0, 0.975, 0.975),
        (2.0, 0.95, 0.97),
        (4.0, 0.80, 0.975),
        (6.0, 0.68, 0.97),
        ("kidney", 0.93, 0.88),
    ],
)
def test_five_harmonics_hold(
    plane: str, shape: float | str, without: float, with_frame: float
) -> None:
    geometry = PLANES[plane]
    mask = kidney(geometry) if shape == "kidney" else ellipse(geometry, float(shape))
    assert overlap(fit_mask(mask, geometry, frame=False), mask, geometry) > without
    assert overlap(fit_mask(mask, geometry), mask, geometry) > with_frame


def test_twenty_harmonics_hold_a_kidney_closer() -> None:
    plane = PLANES["oblong"]
    mask = kidney(plane)
    assert overlap(fit_mask(mask, plane, harmonics=20, frame=False), mask, plane) > 0.96


@given(wild_curves(most_harmonics=5, amplitude=0.25, stretch=0.0))
@settings(max_examples=12, deadline=None)
def test_its_own_polygon_gives_a_curve_back(curve: FourierContour) -> None:
    """Without a frame, to a pixel of a plane of 512; with one the search is local, as it says."""
    if curve.parametrisation == "bounded":  # Away from the bounds, where nothing moves it any more.
        curve = FourierContour(
            curve.center, curve.size.clamp(-2, 2), curve.harmonics, curve.frame, "bounded"
        )
    vertices = curve.polygon(128)[0]
    again = fit_polygon(
        vertices,
        harmonics=curve.harmonics.shape[1],
        frame=False,
        parametrisation=curve.parametrisation,
    )
    assert again.distance(vertices).abs().max() < 2 / 512
    assert again.area().item() == pytest.approx(curve.area().item(), rel=0.005)


@pytest.mark.parametrize("parametrisation", ["log", "bounded"])
@pytest.mark.parametrize("frame", [False, True])
def test_the_parameters_come_back_where_they_are_determined(
    parametrisation: Parametrisation, frame: bool
) -> None:
    generator = torch.Generator().manual_seed(2)
    curve = FourierContour(
        torch.tensor([[0.1, -0.2]]).double(),
        torch.tensor([-1.0]).double(),
        0.2 * torch.randn(1, 4, 2, generator=generator).double() / torch.arange(1, 5)[:, None],
        torch.tensor([[0.5, -0.3]]).double() * frame,
        parametrisation,
    )
    again = fit_polygon(
        curve.polygon(200)[0], harmonics=4, frame=frame, parametrisation=parametrisation
    )
    for name, value in curve.tensors().items():
        assert torch.allclose(again.tensors()[name], value, atol=1e-6), name


def test_the_order_and_the_first_vertex_do_not_matter() -> None:
    curve = FourierContour.circles(torch.tensor([[0.1, 0.2]]), torch.tensor([0.3]))
    curve.frame[0] = torch.tensor([0.4, 0.1])
    vertices = curve.polygon(60)[0].double()
    usual = fit_polygon(vertices)
    other = fit_polygon(vertices.flip(0).roll(17, 0))
    assert torch.allclose(usual.area(), other.area(), rtol=1e-6)
    assert usual.distance(other.polygon()[0]).abs().max() < 1e-5


def test_a_mask_on_the_edge_and_beside_specks_is_fitted_by_its_largest_part() -> None:
    plane = PlaneGeometry(60, 80, (1.2, 1.0))
    row, column = np.mgrid[:60, :80]
    mask = torch.from_numpy((row < 30) & (column < 30))
    mask[50, 70] = True
    curve = fit_mask(mask, plane)
    whole = mask.clone()
    whole[50, 70] = False
    assert overlap(curve, whole, plane) > 0.93


def test_what_cannot_be_fitted_is_said() -> None:
    plane = PlaneGeometry(20, 30)
    with pytest.raises(ValueError, match="empty"):
        fit_mask(torch.zeros(20, 30), plane)
    with pytest.raises(ValueError, match="no mask of a plane"):
        fit_mask(torch.ones(30, 20), plane)
    with pytest.raises(ValueError, match="three or more"):
        fit_polygon(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="no area"):
        fit_polygon(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
