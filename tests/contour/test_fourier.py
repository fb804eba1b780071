"""The geometry of the curves against closed forms, shapely and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medcontour.contour import FourierContour, PlaneGeometry

BIG = st.floats(-1.5, 1.5, allow_nan=False)


@st.composite
def curves(draw: st.DrawFn, parametrisation: str | None = None) -> FourierContour:
    """One curve of any parametrisation, place, size, shape and frame."""
    parametrisation = parametrisation or draw(st.sampled_from(["log", "bounded"]))
    center = draw(st.tuples(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9)))
    size = draw(st.floats(-2.5, -0.3) if parametrisation == "log" else st.floats(-6, 6))
    scale = 0.15 if parametrisation == "log" else 1.5
    harmonics = np.array(draw(st.lists(BIG, min_size=10, max_size=10))).reshape(5, 2) * scale
    frame = draw(st.tuples(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7)))
    return FourierContour(
        torch.tensor([center], dtype=torch.float64),
        torch.tensor([size], dtype=torch.float64),
        torch.tensor(harmonics[None] / np.arange(1, 6)[:, None]),
        torch.tensor([frame], dtype=torch.float64),
        parametrisation,  # type: ignore[arg-type]
    )


@given(curves())
@settings(max_examples=80, deadline=None)
def test_a_curve_is_closed_simple_and_star_convex_about_its_center(curve: FourierContour) -> None:
    polygon = curve.polygon(512)[0].numpy()
    shape = shapely.Polygon(polygon)
    assert shape.is_valid
    assert shape.contains(shapely.Point(curve.center[0].numpy()))
    # Star-convex: seen from the center the vertices go round once, never back.
    around = polygon - curve.center[0].numpy()
    angle = np.unwrap(np.arctan2(around[:, 1], around[:, 0]))
    turn = np.diff(np.append(angle, angle[0] + 2 * math.pi * np.sign(angle[-1] - angle[0])))
    assert (turn > 0).all() or (turn < 0).all()


@given(curves())
@settings(max_examples=60, deadline=None)
def test_eq_7_area_is_that_of_the_polygon(curve: FourierContour) -> None:
    area = shapely.Polygon(curve.polygon(4096)[0].numpy()).area
    assert curve.area()[0].item() == pytest.approx(area, rel=1e-3)


@given(curves())
@settings(max_examples=40, deadline=None)
def test_the_inside_is_what_shapely_says(curve: FourierContour) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1.5, 1.5, (400, 2))
    shape = shapely.Polygon(curve.polygon(4096)[0].numpy())
    near = shapely.distance(shape.exterior, shapely.points(points)) < 5e-3
    inside = shapely.contains_xy(shape, points)
    ours = curve.contains(torch.from_numpy(points))[0].numpy()
    assert (ours == inside)[~near].all()


@given(curves("bounded"))
@settings(max_examples=60, deadline=None)
def test_eq_12_keeps_the_radius_between_its_bounds(curve: FourierContour) -> None:
    theta = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)[None]
    radius = curve.radius(theta.cos(), theta.sin())
    assert radius.min() >= 0.1 - 1e-12
    assert radius.max() <= 1.0 + 1e-12


@pytest.mark.slow
@given(curves())
@settings(max_examples=25, deadline=None)
def test_mask_gradients_are_those_of_finite_differences(curve: FourierContour) -> None:
    # Eq. 12's minimum has a kink where both bounds are equally far: size 0.
    assume(curve.parametrisation == "log" or abs(float(curve.size)) > 1e-3)
    points = PlaneGeometry(8, 10, (1.3, 0.8)).pixel_centres().double().reshape(-1, 1, 2)
    # Away from the center, where a star-convex curve with harmonics has a kink.
    points = points[(points - curve.center).norm(dim=-1)[:, 0] > 0.05]
    tensors = [t.clone().requires_grad_(True) for t in curve.tensors().values()]

    def mask(*values: torch.Tensor) -> torch.Tensor:
        return FourierContour(*values, parametrisation=curve.parametrisation).mask(points, 8.0)

    assert torch.autograd.gradcheck(mask, tensors, eps=1e-6, atol=1e-4)


def test_gradients_are_finite_where_a_pixel_lies_on_the_center() -> None:
    geometry = PlaneGeometry(11, 11)
    curve = FourierContour.circles(torch.zeros(1, 2), torch.tensor([0.4]))
    tensors = curve.tensors()
    for tensor in tensors.values():
        tensor.requires_grad_(True)
    curve.mask(geometry.pixel_centres(), 100.0).sum().backward()
    assert all(torch.isfinite(t.grad).all() for t in tensors.values())


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.5, 0.7), (0.8, 2.0)])
def test_a_circle_is_a_circle_in_the_patient_whatever_the_pixels(
    spacing: tuple[float, float],
) -> None:
    geometry = PlaneGeometry(130, 120, spacing)
    radius_mm = 0.3 * geometry.unit_mm
    curve = FourierContour.circles(torch.tensor([[0.05, -0.02]]), torch.tensor([0.3]))
    index = geometry.to_index(curve.polygon()[0].double()).numpy()
    mm = index * [spacing[1], spacing[0]]
    middle = geometry.to_index(curve.center[0].double()).numpy() * [spacing[1], spacing[0]]
    assert np.linalg.norm(mm - middle, axis=1) == pytest.approx(radius_mm, rel=1e-5)
    pixels = curve.contains(geometry.pixel_centres())[0].sum().item()
    disc_mm2 = math.pi * radius_mm**2
    # Counting pixels errs by about the boundary's length times a pixel: a bound well above it.
    error = 2 * math.pi * radius_mm * max(spacing) * 0.5
    assert abs(pixels * spacing[0] * spacing[1] - disc_mm2) < error


def test_index_coordinates_name_pixel_centres() -> None:
    geometry = PlaneGeometry(3, 5, (2.0, 1.0))
    centres = geometry.pixel_centres()
    assert geometry.to_index(centres[0, 0]).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert geometry.to_index(centres[2, 4]).tolist() == pytest.approx([4.0, 2.0], abs=1e-6)
    # The plane's outer corner is half a pixel out, and the longer side spans [-1, 1].
    corner = torch.tensor(geometry.extent)
    assert geometry.to_index(corner).tolist() == pytest.approx([4.5, 2.5])
    assert max(geometry.extent) == 1.0


@given(curves("log"), st.floats(0.2, 1.0), st.floats(0.2, 1.0))
@settings(max_examples=60, deadline=None)
def test_area_inside_the_plane_is_at_most_that_of_the_exact_clip(
    curve: FourierContour, rows: float, columns: float
) -> None:
    geometry = PlaneGeometry(100, 100, (rows, columns))
    extent = geometry.extent
    center = torch.minimum(
        torch.maximum(curve.center, -torch.tensor(extent)), torch.tensor(extent)
    ).double()
    curve = FourierContour(center, curve.size, curve.harmonics, curve.frame, curve.parametrisation)
    rectangle = shapely.box(-extent[0], -extent[1], extent[0], extent[1])
    clipped = shapely.Polygon(curve.polygon(4096)[0].numpy()).intersection(rectangle).area
    ours = curve.area_inside(geometry)[0].item()
    assert ours <= clipped * (1 + 1e-3)
    assert ours >= clipped * 0.97


def test_json_round_trip_is_exact() -> None:
    curve = FourierContour(
        torch.tensor([[0.1, 0.2]], dtype=torch.float64),
        torch.tensor([-1.1], dtype=torch.float64),
        torch.randn(1, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[0.3, -0.1]], dtype=torch.float64),
    )
    again = FourierContour.from_dict(curve.to_dict())
    assert all(
        torch.equal(a, b)
        for a, b in zip(curve.tensors().values(), again.tensors().values(), strict=True)
    )
    with pytest.raises(ValueError, match="holds 2"):
        FourierContour.cat([curve, curve]).to_dict()
