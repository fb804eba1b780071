"""The geometry of the surfaces against closed forms, scipy, VTK and finite differences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y
from surfaces import wild_surfaces

from medcontour.contour import (
    FourierContour,
    HarmonicSurface,
    PlaneGeometry,
    VolumeGeometry,
    turned_surface,
)
from medcontour.contour.sphere import quadrature
from medcontour.contour.spherical import series

GRIDS = {
    "cube": VolumeGeometry(40, 40, 40),
    "thick slices": VolumeGeometry(16, 60, 50, (3.0, 0.8, 1.0)),
    "long": VolumeGeometry(80, 30, 24, (1.0, 1.4, 0.9)),
}


def of(*values: torch.Tensor, like: HarmonicSurface) -> HarmonicSurface:
    return like.with_tensors(dict(zip(like.tensors(), values, strict=True)))


def mesh_volume(vertices: torch.Tensor, triangles: torch.Tensor) -> float:
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


def test_the_harmonics_are_scipys() -> None:
    directions, _ = quadrature(8)
    x, y, z = directions.numpy().T
    polar, around = np.arccos(z), np.arctan2(y, x)
    unit = torch.eye(35, dtype=torch.float64)
    ours = series(tuple(part.expand(35, -1) for part in directions.T), unit).numpy()
    every = [(n, m) for n in range(1, 6) for m in range(-n, n + 1)]
    for row, (n, m) in enumerate(every):
        # With the sign of Condon and Shortley, and of mean square 1 / (4 pi).
        complex_one = math.sqrt(4 * math.pi) * (-1) ** m * sph_harm_y(n, abs(m), polar, around)
        part = complex_one.imag if m < 0 else complex_one.real
        wanted = part if m else part / math.sqrt(2)
        assert ours[row] == pytest.approx((-1) ** m * (-1) ** abs(m) * wanted, abs=1e-12), (n, m)


def test_there_are_at_most_45_numbers() -> None:
    ball = HarmonicSurface.spheres(torch.zeros(1, 3), torch.ones(1))
    assert sum(tensor.numel() for tensor in ball.tensors().values()) == 44


@given(wild_surfaces())
@settings(max_examples=40, deadline=None)
def test_a_mesh_is_closed_and_star_convex_about_the_center(surface: HarmonicSurface) -> None:
    for some in (surface, surface.to(torch.float32)):
        vertices, triangles = some.mesh(3)
        around = (vertices[0] - some.center).double()
        # Closed: every edge belongs to two triangles, once in either direction.
        edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        forward = {tuple(edge) for edge in edges.tolist()}
        assert len(forward) == len(edges) == 3 * len(triangles)
        assert forward == {(b, a) for a, b in forward}
        assert len(around) - len(edges) // 2 + len(triangles) == 2  # Euler: one sphere
        # Star-convex: all triangles face away from the center, and together surround it once.
        corners = around[triangles]
        assert (torch.linalg.det(corners) > 0).all()
        unit = corners / corners.norm(dim=-1, keepdim=True)
        a, b, c = unit.unbind(1)
        below = 1 + (a * b).sum(-1) + (b * c).sum(-1) + (c * a).sum(-1)
        angles = 2 * torch.atan2(torch.linalg.det(unit), below)
        assert float(angles.sum()) == pytest.approx(4 * math.pi, rel=1e-6)


@given(wild_surfaces())
@settings(max_examples=40, deadline=None)
def test_the_radius_stays_within_its_bounds(surface: HarmonicSurface) -> None:
    low, high = (0.1, 1.0) if surface.parametrisation == "bounded" else (1e-4, 1e4)
    wild = replace(surface, harmonics=20 * surface.harmonics)
    for some in (wild, wild.to(torch.float32)):
        radius = some.radius(quadrature(20)[0])
        assert radius.min() >= low * (1 - 1e-5)
        assert radius.max() <= high * (1 + 1e-5)
        assert torch.isfinite(some.volume()).all()


@given(wild_surfaces(amplitude=0.4, stretch=0.5))
@settings(max_examples=25, deadline=None)
def test_the_meshs_volume_converges_to_the_quadrature(surface: HarmonicSurface) -> None:
    exact = float(surface.volume())
    directions, weights = quadrature(120)
    finer = float((surface.radius(directions) ** 3 * weights).sum() / 3)
    assert exact == pytest.approx(finer, rel=1e-6)
    meshes = [surface.mesh(detail) for detail in (3, 4, 5)]
    errors = [abs(mesh_volume(vertices[0], of_it) / exact - 1) for vertices, of_it in meshes]
    assert errors[2] < 3e-3
    # Second order: each finer mesh leaves about a quarter of the error.
    assert errors[1] < 0.35 * errors[0] + 1e-6
    assert errors[2] < 0.35 * errors[1] + 1e-6


def test_a_ball_and_an_ellipsoid_have_the_volumes_of_the_books() -> None:
    frame = torch.tensor([[0.4, -0.1, 0.2, 0.0, 0.3], [0.0] * 5], dtype=torch.float64)
    radii = torch.tensor([0.3, 0.5], dtype=torch.float64)
    ball = replace(HarmonicSurface.spheres(torch.zeros(2, 3).double(), radii), frame=frame)
    wanted = [4 / 3 * math.pi * r**3 for r in (0.3, 0.5)]
    assert ball.volume().tolist() == pytest.approx(wanted, rel=1e-12)
    p, q, a, b, c = frame[0].tolist()
    matrix = np.array([[p, a, b], [a, q, c], [b, c, -p - q]])
    assert ball.frame_matrix()[0].numpy() == pytest.approx(expm(matrix), abs=1e-12)
    assert ball.frame_matrix(-1.0)[0].numpy() == pytest.approx(expm(-matrix), abs=1e-12)
    # The inside is the ellipsoid's own: points, by its quadratic form.
    points = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)).double() * 0.3
    form = np.linalg.norm(points.numpy() @ expm(-matrix).T, axis=1) < 0.3
    assert (ball.contains(points)[0].numpy() == form).all()


@pytest.mark.parametrize("name", GRIDS)
@given(wild_surfaces("log", amplitude=0.4, stretch=0.4), st.floats(0.25, 0.4))
@settings(max_examples=8, deadline=None)
def test_the_share_inside_is_the_count_of_voxels(
    name: str, surface: HarmonicSurface, radius: float
) -> None:
    grid = GRIDS[name]
    center = surface.center * torch.tensor(grid.extent)  # near the rim too: much is cut off
    surface = replace(
        surface, center=center, size=torch.tensor([math.log(radius)], dtype=torch.float64)
    )
    counted = float(surface.contains(grid.voxel_centres()).double().mean())
    # A voxel counts wholly or not at all: a share of those on the boundary, which is about as
    # large as that of a box around it.
    sides = 2 * (surface.mesh(3)[0][0] - center).abs().amax(0)
    boundary = 2 * float(sides.prod() * (1 / sides).sum())
    voxel = max(grid.spacing) / grid.unit_mm
    assert float(surface.share_inside(grid)) == pytest.approx(
        counted, abs=0.2 * voxel * boundary / grid.content
    )
    assert (surface.share_inside(grid) <= 1.001 * surface.share(grid)).all()


@pytest.mark.slow
@given(wild_surfaces(most_degrees=5, amplitude=0.5, stretch=0.5))
@settings(max_examples=10, deadline=None)
def test_gradients_are_those_of_finite_differences(surface: HarmonicSurface) -> None:
    assume(surface.harmonics.numel() > 0)  # finite differences of nothing are none
    points = VolumeGeometry(3, 4, 3, (2.0, 1.0, 1.2)).voxel_centres().double().reshape(-1, 3)
    # Away from the center, where a star-convex surface has a kink.
    points = points[(points - surface.center).norm(dim=-1) > 0.1]
    size = surface.size
    if surface.parametrisation == "bounded":
        # Where s is a minimum of two (r0 = 0.55), and where it is nothing, there is no derivative.
        size = size.clamp(-3, 3) + 0.01
    tensors = replace(surface, size=size).tensors().values()
    wanted = [t.clone().requires_grad_(True) for t in tensors]

    def gradients(function: str, *arguments: object) -> None:
        def called(*values: torch.Tensor) -> torch.Tensor:
            return getattr(of(*values, like=surface), function)(*arguments)

        assert torch.autograd.gradcheck(called, wanted, eps=1e-6, atol=1e-4, rtol=1e-3), function

    gradients("gap", points)
    gradients("distance", points)
    gradients("mask", points.view(-1, 1, 1, 3), 5.0)
    gradients("volume")
    gradients("spectral_energy")


@pytest.mark.parametrize("parametrisation", ["log", "bounded"])
@pytest.mark.parametrize("degree", [0, 1, 5])
def test_a_voxel_on_the_center_spoils_no_gradient(parametrisation: str, degree: int) -> None:
    points = VolumeGeometry(5, 7, 9, (2.0, 1.0, 1.3)).voxel_centres()
    generator = torch.Generator().manual_seed(degree)
    ball = HarmonicSurface.spheres(points[2, 3, 4][None], torch.tensor([0.4]), degree)
    surface = HarmonicSurface(
        ball.center,
        torch.tensor([-1.0]),
        0.1 * torch.randn(1, (degree + 1) ** 2 - 1, generator=generator),
        torch.tensor([[0.2, 0.1, 0.0, -0.1, 0.1]]),
        parametrisation,  # type: ignore[arg-type]
    )
    for function in ("gap", "distance", "mask"):
        surface = surface.detach()
        for tensor in surface.tensors().values():
            tensor.requires_grad_(True)
        values = getattr(surface, function)(points)
        assert values[0, 2, 3, 4] > 0
        values.sum().backward()
        for tensor in surface.tensors().values():
            if tensor.numel():
                assert torch.isfinite(tensor.grad).all()
                assert (tensor.grad.abs() < 1e4).all()  # nor does one voxel drown all others


@given(wild_surfaces(amplitude=0.3, stretch=0.4))
@settings(max_examples=15, deadline=None)
def test_the_distance_is_that_to_the_mesh_near_the_surface(surface: HarmonicSurface) -> None:
    vertices, triangles = (part.squeeze(0) for part in surface.mesh(4))
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    normal = torch.linalg.cross(b - a, c - a)
    normal = normal / normal.norm(dim=-1, keepdim=True)
    for step in (1e-3, -1e-3):
        scale = float(surface.mean_radius)
        moved = (a + b + c) / 3 + step * scale * normal
        on = surface.distance((a + b + c) / 3)[0]  # a flat triangle lies a little inside
        assert (surface.distance(moved)[0] - on).numpy() == pytest.approx(
            -step * scale, abs=0.15 * abs(step) * scale
        )


def test_a_sphere_is_a_sphere_in_the_patient_whatever_the_voxels() -> None:
    grid = GRIDS["thick slices"]
    ball = HarmonicSurface.spheres(torch.tensor([[0.05, -0.02, 0.1]]), torch.tensor([0.3]))
    index = grid.to_index(ball.mesh(2)[0][0].double())
    mm = index * torch.tensor([1.0, 0.8, 3.0])
    middle = grid.to_index(ball.center[0].double()) * torch.tensor([1.0, 0.8, 3.0])
    assert (mm - middle).norm(dim=-1).numpy() == pytest.approx(0.3 * grid.unit_mm, rel=1e-5)
    assert torch.allclose(grid.from_index(index), ball.mesh(2)[0][0].double(), atol=1e-12)
    inside = grid.from_index(torch.tensor([0.0, 0.0, 0.0]).double())
    assert torch.allclose(grid.voxel_centres()[0, 0, 0].double(), inside, atol=1e-6)


def test_the_spectrum_is_the_curves_law() -> None:
    """Both are twice the mean squared slope of u over the circle or the sphere."""
    directions, weights = quadrature(20)
    surface = HarmonicSurface.spheres(torch.zeros(1, 3).double(), torch.ones(1).double())
    numbers = torch.randn(1, 35, generator=torch.Generator().manual_seed(0)).double()
    surface = replace(surface, harmonics=0.1 * numbers)
    at = directions.clone().requires_grad_(True)
    u = surface.radius(at / at.norm(dim=-1, keepdim=True)).log()
    (slope,) = torch.autograd.grad(u.sum(), at)
    mean = float((slope.square().sum(-1) * weights).sum() / (4 * math.pi))
    assert float(surface.spectral_energy()) == pytest.approx(2 * mean, rel=1e-9)
    curve = FourierContour.circles(torch.zeros(1, 2).double(), torch.ones(1).double())
    curve.harmonics[0, 2, 1] = 0.1
    assert float(curve.spectral_energy()) == pytest.approx(9 * 0.1**2)
    plane = PlaneGeometry(30, 40)
    assert torch.allclose(curve.share(plane), curve.area() / plane.area)


def test_parameters_go_out_and_come_back_as_plain_numbers() -> None:
    center, radius = torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([0.4])
    ball = HarmonicSurface.spheres(center, radius, 2, "bounded")
    again = HarmonicSurface.from_dict(ball.to_dict())
    for name, value in ball.tensors().items():
        assert torch.allclose(again.tensors()[name], value.double()), name
    assert again.parametrisation == "bounded"
    both = HarmonicSurface.cat([ball, ball])
    assert len(both) == 2
    assert len(both[1:]) == 1
    with pytest.raises(ValueError, match="one shape"):
        both.to_dict()
    with pytest.raises(ValueError, match="no full set"):
        _ = replace(ball, harmonics=torch.zeros(1, 7)).degree


@given(wild_surfaces(), st.integers(0, 2**32 - 1))
def test_a_turned_surface_holds_what_turned_points_are(surface: HarmonicSurface, seed: int) -> None:
    generator = np.random.default_rng(seed)
    turns = torch.from_numpy(Rotation.random(3, random_state=generator).as_matrix())
    turned = turned_surface(surface, turns)
    assert len(turned) == 3
    reach = 2 * surface.mean_radius
    points = surface.center + reach * torch.from_numpy(generator.normal(size=(50, 3)))
    gap = surface.gap(points)[0]
    for turn, one in zip(turns, range(3), strict=True):
        moved = surface.center + (points - surface.center) @ turn.T
        torch.testing.assert_close(turned[one : one + 1].gap(moved)[0], gap, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(turned.volume(), surface.volume().expand(3), rtol=1e-4, atol=0.0)
    torch.testing.assert_close(turned.spectral_energy(), surface.spectral_energy().expand(3))
