"""Surfaces fitted to a mask by least squares, in the surfaces' own parameters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from skimage import measure
from torch import Tensor

from medcontour.contour.least_squares import fit_from, solve_along_rays
from medcontour.contour.link import Parametrisation
from medcontour.contour.parts import largest_part
from medcontour.contour.spherical import degrees, series
from medcontour.contour.surface import HarmonicSurface
from medcontour.contour.volume import VolumeGeometry

__all__ = ["fit_volume"]

SAMPLES = 1000
TOLERANCE = 1e-4


def fit_volume(
    mask: Tensor,
    grid: VolumeGeometry,
    *,
    degree: int = 5,
    frame: bool = True,
    parametrisation: Parametrisation = "log",
) -> HarmonicSurface:
    """Fit a surface to the outer boundary of a mask's largest connected part.

    Minimises the mean over the boundary, half way between the voxels inside and those outside, of
    the squared first-order distance to the surface (`HarmonicSurface.distance`), as `fit_polygon`
    does in a plane. It starts from the surface about the part's middle that passes nearest along
    the rays; where the frame is free, both from none and from that of the part's moments, and the
    closer result is kept. The search is local.

    Parameters
    ----------
    mask
        (slices, rows, columns) of the grid: True, or more than one half, is inside.
    grid
        Its voxels.
    degree
        L.
    frame, parametrisation
        As in `fit_polygon`.

    Returns
    -------
    HarmonicSurface
        One, float64, outside the graph.

    Raises
    ------
    ValueError
        For an empty mask, or one of another size than its grid.

    Examples
    --------
    >>> grid = VolumeGeometry(20, 40, 40, (2.0, 1.0, 1.0))
    >>> ball = HarmonicSurface.spheres(torch.zeros(1, 3), torch.tensor([0.6]))
    >>> fitted = fit_volume(ball.contains(grid.voxel_centres())[0], grid, degree=2)
    >>> abs(fitted.volume().item() / ball.volume().item() - 1) < 0.02
    True
    """
    inside = mask.detach().cpu().numpy() > 0.5
    if inside.shape != (grid.slices, grid.rows, grid.columns):
        raise ValueError(
            f"a mask of {inside.shape} is no mask of a volume of "
            f"{(grid.slices, grid.rows, grid.columns)}"
        )
    if not inside.any():
        raise ValueError("the mask is empty; there is nothing to fit a surface to")
    part = largest_part(inside)
    voxels = grid.from_index(torch.from_numpy(np.argwhere(part)[:, ::-1].copy()).double())
    center = voxels.mean(0)
    voxel = grid.content / part.size
    points = _boundary(part, grid)
    weights = torch.full((len(points),), len(points) ** -0.5, dtype=points.dtype)
    radius = (3 * voxel * len(voxels) / (4 * math.pi)) ** (1 / 3)
    ball = HarmonicSurface.spheres(
        center[None], center.new_tensor([radius]), degree, parametrisation
    )
    starts = [ball]
    if frame:
        covariance = (voxels - center).T @ (voxels - center) / len(voxels)
        # A voxel has a spread of its own, without which a single slice would have none.
        sides = torch.tensor(grid.spacing[::-1], dtype=torch.float64) / grid.unit_mm
        starts.append(replace(ball, frame=_frame_of(covariance + (sides**2 / 12).diag())[None]))
    return fit_from(starts, _along_rays, points, weights, frame=frame, tolerance=TOLERANCE)


def _boundary(
    part: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], grid: VolumeGeometry
) -> Tensor:
    """(S, 3) points on a part's boundary, evenly by area."""
    # A rim of zeros closes the boundary of a part that touches the volume's edge.
    vertices, triangles, *_ = measure.marching_cubes(np.pad(part, 1).astype(np.float32), 0.5)
    # Copies, since they come as views that run backwards.
    index = torch.from_numpy(vertices[:, ::-1].astype(np.float64, order="C")) - 1
    corners = grid.from_index(index)[torch.from_numpy(triangles.copy()).long()]
    sides = corners[:, 1:] - corners[:, :1]
    areas = torch.linalg.cross(sides[:, 0], sides[:, 1]).norm(dim=-1).cumsum(0)
    steps = (torch.arange(SAMPLES, dtype=torch.float64) + 0.5) / SAMPLES * areas[-1]
    chosen: Tensor = corners[torch.searchsorted(areas, steps)].mean(1)
    return chosen


def _along_rays(start: HarmonicSurface, points: Tensor, weights: Tensor) -> HarmonicSurface:
    """Harmonics (and size, where it is in logarithms) that come nearest along the points' rays."""
    offsets = (points - start.center) @ start.frame_matrix(-1.0)[0]
    rho = offsets.norm(dim=-1).clamp_min(1e-6)
    x, y, z = (offsets / rho.unsqueeze(1)).T
    count = start.harmonics.shape[1]
    unit = torch.eye(count, dtype=points.dtype)
    columns = series((x.expand(count, -1), y.expand(count, -1), z.expand(count, -1)), unit).T
    order = torch.tensor(degrees(start.degree), dtype=points.dtype)
    solved, size = solve_along_rays(start, rho, columns, order, weights)
    return replace(start, harmonics=solved.unsqueeze(0), size=size)


def _frame_of(covariance: Tensor) -> Tensor:
    """(5,): the frame that turns a ball into an ellipsoid of this covariance."""
    values, axes = torch.linalg.eigh(covariance)
    stretch = values.clamp_min(1e-12 * values[-1]).log() / 2
    matrix = axes @ (stretch - stretch.mean()).diag() @ axes.T
    return torch.stack([matrix[0, 0], matrix[1, 1], matrix[0, 1], matrix[0, 2], matrix[1, 2]])
