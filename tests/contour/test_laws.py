"""Laws that hold of every curve: K up to 20, extreme coefficients, long frames, odd pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapes import wild_curves

from medcontour.contour import FourierContour, Parametrisation, PlaneGeometry

PLANES = st.sampled_from(
    [
        PlaneGeometry(200, 200),
        PlaneGeometry(151, 240, (1.5, 0.7)),
        PlaneGeometry(240, 101, (0.6, 2.0)),
    ]
)


def goes_round_once(curve: FourierContour, vertices: int) -> bool:
    around = (curve.polygon(vertices)[0] - curve.center[0]).double().numpy()
    following = np.roll(around, -1, 0)
    # Each edge, seen from the center, turns the same way and by less than a half turn.
    turn = around[:, 0] * following[:, 1] - around[:, 1] * following[:, 0]
    angle = np.arctan2(turn, (around * following).sum(1))
    return bool((turn > 0).all()) and math.isclose(angle.sum(), 2 * math.pi, rel_tol=1e-6)


@given(wild_curves(amplitude=3.0), st.sampled_from([64, 128, 500]))
@settings(max_examples=60, deadline=None)
def test_every_polygon_is_simple_and_star_convex_about_the_center(
    curve: FourierContour, vertices: int
) -> None:
    shape = shapely.Polygon(curve.polygon(vertices)[0].numpy())
    assert shape.is_valid
    assert shape.contains(shapely.Point(curve.center[0].numpy()))
    assert goes_round_once(curve, vertices)


@given(wild_curves(amplitude=1.0, stretch=1.5))
@settings(max_examples=40, deadline=None)
def test_it_is_so_in_single_precision_too(curve: FourierContour) -> None:
    single = curve.to(torch.float32)
    assert goes_round_once(single, 128)
    assert shapely.Polygon(single.polygon()[0].double().numpy()).is_valid


@pytest.mark.parametrize("parametrisation", ["log", "bounded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_absurd_coefficients_neither_overflow_nor_spoil_a_gradient(
    parametrisation: Parametrisation, dtype: torch.dtype
) -> None:
    parts = [
        torch.zeros(1, 2, dtype=dtype),
        torch.tensor([3.0], dtype=dtype),
        torch.full((1, 20, 2), 200.0, dtype=dtype),
        torch.tensor([[2.0, -1.0]], dtype=dtype),
    ]
    for part in parts:
        part.requires_grad_(True)
    curve = FourierContour(*parts, parametrisation=parametrisation)
    points = PlaneGeometry(31, 31).pixel_centres().to(dtype)
    curve.mask(points, 100.0).sum().backward()
    (curve.area() + torch.tanh(curve.distance(points)).sum() + curve.polygon().sum()).backward()
    assert all(torch.isfinite(part.grad).all() for part in parts)


@given(wild_curves("bounded", amplitude=5.0))
@settings(max_examples=60, deadline=None)
def test_eq_12_holds_with_r0_at_either_bound(curve: FourierContour) -> None:
    theta = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)[None]
    for some in (curve, curve.to(torch.float32)):
        angle = theta.to(some.center.dtype)
        radius = some.radius(angle.cos(), angle.sin())
        assert radius.min() >= 0.1 - 1e-6
        assert radius.max() <= 1.0 + 1e-6


@given(wild_curves("log"), st.floats(-2.0, 2.0))
@settings(max_examples=40, deadline=None)
def test_a_step_in_the_log_size_scales_the_curve_whatever_its_size(
    curve: FourierContour, step: float
) -> None:
    # The gradient of a log radius is the radius: it does not vanish at any size.
    other = replace(curve, size=curve.size + step)
    theta = torch.linspace(0, 6, 50, dtype=torch.float64)[None]
    ratio = other.radius(theta.cos(), theta.sin()) / curve.radius(theta.cos(), theta.sin())
    within = curve.radius(theta.cos(), theta.sin()).log().abs() < 9.2 - abs(step)
    assert torch.allclose(ratio[within].log(), torch.tensor(step, dtype=torch.float64))


@given(wild_curves(amplitude=0.5, stretch=1.0), PLANES)
@settings(max_examples=30, deadline=None)
def test_eq_7_area_is_the_count_of_pixels_and_shapelys(
    curve: FourierContour, plane: PlaneGeometry
) -> None:
    # Small enough to lie within the plane, so that nothing is left uncounted.
    far = curve.polygon(256)[0].sub(curve.center[0]).abs().max()
    room = 0.9 * min(plane.extent)
    if curve.parametrisation == "log" and far > room:
        curve = replace(curve, size=curve.size - (far / room).log())
    curve = replace(curve, center=torch.zeros(1, 2, dtype=torch.float64))
    shape = shapely.Polygon(curve.polygon(2048)[0].numpy())
    assert curve.area()[0].item() == pytest.approx(shape.area, rel=2e-3)
    pixel = plane.area / (plane.rows * plane.columns)
    counted = curve.contains(plane.pixel_centres()).sum().item() * pixel
    width, height = plane.extent
    seen = shape.intersection(shapely.box(-width, -height, width, height))
    # A pixel counts wholly or not at all: the error is a share of the pixels on the boundary.
    side = max(plane.pixel_spacing) / plane.unit_mm
    assert counted == pytest.approx(seen.area, abs=0.5 * side * shape.length + 2 * pixel)


@pytest.mark.slow
@given(wild_curves(most_harmonics=7, amplitude=0.6, stretch=0.8))
@settings(max_examples=15, deadline=None)
def test_gradients_are_those_of_finite_differences(curve: FourierContour) -> None:
    assume(curve.harmonics.numel() > 0)  # finite differences of nothing are none
    plane = PlaneGeometry(7, 9, (1.3, 0.8))
    points = plane.pixel_centres().double().reshape(-1, 2)
    # Away from the center, where a star-convex curve has a kink.
    points = points[(points - curve.center).norm(dim=-1) > 0.1]
    # Where s is a minimum of two (r0 = 0.55), and where it is nothing, there is no derivative.
    size = curve.size if curve.parametrisation == "log" else curve.size.clamp(-3, 3) + 0.01
    tensors = [t.clone() for t in replace(curve, size=size).tensors().values()]

    def gradients(name: str, function: str, *arguments: object) -> None:
        def of(*values: torch.Tensor) -> torch.Tensor:
            return getattr(
                FourierContour(*values, parametrisation=curve.parametrisation), function
            )(*arguments)

        wanted = [t.clone().requires_grad_(True) for t in tensors]
        assert torch.autograd.gradcheck(of, wanted, eps=1e-6, atol=1e-4, rtol=1e-3), name

    gradients("gap", "gap", points)
    gradients("distance", "distance", points)
    gradients("mask", "mask", points.view(-1, 1, 2), 5.0)
    gradients("area", "area")
    gradients("polygon", "polygon", 16)


@pytest.mark.parametrize("parametrisation", ["log", "bounded"])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_a_pixel_on_the_center_spoils_no_gradient(
    parametrisation: Parametrisation, count: int
) -> None:
    geometry = PlaneGeometry(11, 13, (1.3, 1.0))
    points = geometry.pixel_centres()
    generator = torch.Generator().manual_seed(count)
    for function in ("gap", "distance", "mask"):
        curve = FourierContour(
            points[5, 6].clone().unsqueeze(0),
            torch.tensor([-1.0]),
            0.1 * torch.randn(1, count, 2, generator=generator),
            torch.tensor([[0.2, 0.1]]),
            parametrisation,
        )
        for tensor in curve.tensors().values():
            tensor.requires_grad_(True)
        values = getattr(curve, function)(points)
        assert values[0, 5, 6] > 0
        values.sum().backward()
        for tensor in curve.tensors().values():
            if not tensor.numel():
                continue  # no harmonics
            assert torch.isfinite(tensor.grad).all()
            # Nor does one pixel drown all others.
            assert (tensor.grad.abs() < 1e4).all()


def test_points_have_their_gradient_too() -> None:
    curve = FourierContour.circles(torch.zeros(2, 2).double(), torch.tensor([0.3, 0.5]).double())
    curve.frame[0] = torch.tensor([0.3, 0.2])
    points = torch.tensor([[0.4, 0.1], [-0.2, 0.3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(curve.gap, points)


def test_a_second_derivative_of_the_gap_is_refused_and_the_distance_has_one() -> None:
    curve = FourierContour.circles(torch.zeros(1, 2).double(), torch.tensor([0.3]).double())
    curve.center.requires_grad_(True)
    points = torch.tensor([[0.4, 0.1], [-0.2, 0.3]], dtype=torch.float64)
    first = torch.autograd.grad(curve.gap(points).square().sum(), curve.center, create_graph=True)[
        0
    ]
    with pytest.raises(RuntimeError, match="twice"):
        first.sum().backward()

    def distance(center: torch.Tensor) -> torch.Tensor:
        return replace(curve, center=center).distance(points)

    assert torch.autograd.gradgradcheck(distance, curve.center)


@pytest.mark.parametrize("parametrisation", ["log", "bounded"])
def test_the_gap_is_that_of_trigonometry(parametrisation: Parametrisation) -> None:
    generator = torch.Generator().manual_seed(5)
    curve = FourierContour(
        torch.tensor([[0.1, -0.2], [0.0, 0.3]]),
        torch.tensor([-1.0, 0.4]),
        0.1 * torch.randn(2, 20, 2, generator=generator),
        torch.tensor([[0.4, -0.2], [0.0, 0.0]]),
        parametrisation,
    )
    points = PlaneGeometry(23, 17, (0.8, 1.2)).pixel_centres()
    ours = curve.gap(points).numpy()
    exact = curve.to(torch.float64)
    p = points.double().numpy()
    for n in range(2):
        stretch, shear = exact.frame[n].tolist()
        frame = np.array([[stretch, shear], [shear, -stretch]])
        values, axes = np.linalg.eigh(frame)
        inverse = axes @ np.diag(np.exp(-values)) @ axes.T
        u, v = np.moveaxis((p - exact.center[n].numpy()) @ inverse.T, -1, 0)
        k = np.arange(1, 21)[:, None, None]
        theta = np.arctan2(v, u)
        a_k, b_k = exact.harmonics[n].numpy().T[..., None, None]
        series = (a_k * np.cos(k * theta) + b_k * np.sin(k * theta)).sum(0)
        size = exact.size[n].item()
        if parametrisation == "log":
            radius = np.exp(size + series)
        else:
            r0 = 0.1 + 0.9 / (1 + math.exp(-size))
            radius = r0 + min(r0 - 0.1, 1 - r0) * np.tanh(series)
        # float32 and twenty harmonics: a hundredth of a pixel of 200 at most.
        assert ours[n] == pytest.approx(radius - np.hypot(u, v), abs=1e-4)


@given(wild_curves(amplitude=0.3, stretch=0.8))
@settings(max_examples=40, deadline=None)
def test_the_distance_is_shapelys_near_the_curve(curve: FourierContour) -> None:
    curve = replace(curve, harmonics=curve.harmonics[:, :5])
    on = curve.polygon(64)[0]
    step = 1e-4
    points = torch.cat(
        [on + step * torch.tensor(d).double() for d in ((1, 0), (0, 1), (-0.6, 0.8))]
    )
    ring = shapely.Polygon(curve.polygon(20000)[0].numpy())
    exact = shapely.distance(ring.exterior, shapely.points(points.numpy()))
    exact = np.where(shapely.contains_xy(ring, points.numpy()), exact, -exact)
    # To first order: what is left goes with the square of the step.
    assert curve.distance(points)[0].numpy() == pytest.approx(exact, abs=0.05 * step)


def test_an_edge_by_distance_is_even_where_that_of_the_gap_is_not() -> None:
    curve = FourierContour.circles(torch.zeros(1, 2).double(), torch.tensor([0.3]).double())
    curve.frame[0] = torch.tensor([math.log(4.0) / 2, 0.0])  # 4:1
    tips = curve.polygon(4)[0]
    outward = tips / tips.norm(dim=-1, keepdim=True)
    near = tips + 1e-3 * outward
    assert curve.distance(near)[0].numpy() == pytest.approx(-1e-3, rel=2e-2)
    long, short = curve.gap(near)[0, :2].tolist()
    assert short / long == pytest.approx(4.0, rel=1e-3)
