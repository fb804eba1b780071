"""Surfaces fitted to masks of voxels: what 44 numbers can hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from surfaces import wild_surfaces

from medcontour.contour import HarmonicSurface, VolumeGeometry, fit_volume

GRID = VolumeGeometry(20, 48, 44, (3.0, 1.2, 1.0))


def overlap(surface: HarmonicSurface, mask: torch.Tensor, grid: VolumeGeometry) -> float:
    """Dice."""
    found = surface.contains(grid.voxel_centres())[0]
    return float(2 * (found & mask).sum() / (found.sum() + mask.sum()))


def axes(grid: VolumeGeometry) -> tuple[torch.Tensor, ...]:
    return (grid.voxel_centres().double() - torch.tensor([0.04, -0.03, 0.05])).unbind(-1)


@pytest.mark.slow
def test_an_ellipsoid_twice_and_four_times_as_long_as_wide_is_held_by_the_frame() -> None:
    grid = VolumeGeometry(40, 40, 40)
    x, y, z = axes(grid)
    u, v = (x + y) / 2**0.5, (x - y) / 2**0.5
    for ratio, without in ((2.0, 0.95), (4.0, 0.85)):
        mask = (u / 0.8) ** 2 + (v * ratio / 0.8) ** 2 + (z * ratio / 0.8) ** 2 < 1
        assert overlap(fit_volume(mask, grid, degree=2), mask, grid) > 0.97
        assert overlap(fit_volume(mask, grid, frame=False), mask, grid) > without


@pytest.mark.slow
@given(wild_surfaces("log", most_degrees=4, amplitude=0.15, stretch=0.25))
@settings(max_examples=4, deadline=None)
def test_its_own_mask_gives_a_surface_back(surface: HarmonicSurface) -> None:
    """On voxels three times as thick as wide."""
    size = torch.tensor([0.45]).log().double()
    surface = surface.with_tensors(
        surface.tensors() | {"size": size, "center": 0.1 * surface.center}
    )
    mask = surface.contains(GRID.voxel_centres())[0]
    fitted = fit_volume(mask, GRID)
    assert overlap(fitted, mask, GRID) > 0.96
    assert float(fitted.volume() / surface.volume()) == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("parametrisation", ["log", "bounded"])
def test_the_radiuss_link_is_kept(parametrisation: str) -> None:
    ball = HarmonicSurface.spheres(torch.zeros(1, 3), torch.tensor([0.5]))
    mask = ball.contains(GRID.voxel_centres())[0]
    fitted = fit_volume(mask, GRID, degree=2, parametrisation=parametrisation)  # type: ignore[arg-type]
    assert fitted.parametrisation == parametrisation
    assert overlap(fitted, mask, GRID) > 0.97


def test_a_mask_on_the_edge_and_beside_specks_is_fitted_by_its_largest_part() -> None:
    mask = torch.zeros(20, 48, 44, dtype=torch.bool)
    mask[:8, :20, :20] = True
    whole = mask.clone()
    mask[15, 40, 40] = True
    assert overlap(fit_volume(mask, GRID), whole, GRID) > 0.93


def test_a_single_voxel_and_a_single_slice_are_fitted() -> None:
    voxel = torch.zeros(20, 48, 44, dtype=torch.bool)
    voxel[9, 20, 20] = True
    one = fit_volume(voxel, GRID, degree=1)
    share = float(one.share(GRID)) * 20 * 48 * 44
    assert 0.2 < share < 2
    plate = torch.zeros_like(voxel)
    plate[9, 10:30, 10:30] = True
    assert overlap(fit_volume(plate, GRID), plate, GRID) > 0.75


def test_what_cannot_be_fitted_is_said() -> None:
    with pytest.raises(ValueError, match="empty"):
        fit_volume(torch.zeros(20, 48, 44), GRID)
    with pytest.raises(ValueError, match="no mask of a volume"):
        fit_volume(torch.ones(48, 20, 44), GRID)
