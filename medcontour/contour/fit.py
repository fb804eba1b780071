"""Curves fitted to a polygon or a mask by least squares, in the curves' own parameters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from skimage import measure
from torch import Tensor

from medcontour.contour.fourier import FourierContour
from medcontour.contour.least_squares import fit_from, solve_along_rays
from medcontour.contour.link import Parametrisation
from medcontour.contour.parts import largest_part
from medcontour.contour.plane import PlaneGeometry

__all__ = ["fit_mask", "fit_polygon"]

FINEST = 32
TOLERANCE = 1e-6


def fit_polygon(
    polygon: Tensor,
    *,
    harmonics: int = 5,
    frame: bool = True,
    parametrisation: Parametrisation = "log",
) -> FourierContour:
    """Fit a curve to a closed polygon: least squares of the distances along its boundary.

    Minimises the mean along the polygon of the squared first-order distance to the curve
    (`FourierContour.distance`), taken at its vertices and between those far apart, by Levenberg
    and Marquardt. It starts from the curve about the polygon's centroid that passes nearest
    along the rays; where the frame is free, both from none and from that of the polygon's
    moments, and the closer result is kept. The search is local: a polygon with a deep bay, or
    many harmonics beside a frame, may be fitted less closely than the curves could.

    Parameters
    ----------
    polygon
        (V, 2) vertices in plane coordinates, in order, at least three; the first not repeated.
    harmonics
        K.
    frame
        Whether the frame is free; otherwise there is none.
    parametrisation
        Of the radius. With ``bounded`` nothing smaller than 0.1 or larger than 1 is reached.

    Returns
    -------
    FourierContour
        One curve, float64, outside the graph.

    Raises
    ------
    ValueError
        For fewer than three vertices, or a polygon without area.

    Examples
    --------
    >>> square = torch.tensor([[-0.3, -0.3], [0.3, -0.3], [0.3, 0.3], [-0.3, 0.3]])
    >>> abs(fit_polygon(square).area().item() - 0.36) < 0.02
    True
    """
    vertices = polygon.detach().double().cpu()
    if vertices.ndim != 2 or len(vertices) < 3:
        raise ValueError(f"a polygon of {len(vertices)} vertices has no inside; give three or more")
    area, center, covariance = _moments(vertices)
    if not area > 0:
        raise ValueError("the vertices enclose no area; give them in order around the boundary")
    points, weights = _samples(vertices)
    circle = FourierContour.circles(
        center[None], vertices.new_tensor([math.sqrt(area / math.pi)]), harmonics, parametrisation
    )
    starts = [circle]
    if frame:
        starts.append(replace(circle, frame=_frame_of(covariance)[None]))
    return fit_from(starts, _along_rays, points, weights, frame=frame, tolerance=TOLERANCE)


def fit_mask(
    mask: Tensor,
    plane: PlaneGeometry,
    *,
    harmonics: int = 5,
    frame: bool = True,
    parametrisation: Parametrisation = "log",
) -> FourierContour:
    """Fit a curve to the outer boundary of a mask's largest connected part, as `fit_polygon`.

    Parameters
    ----------
    mask
        (rows, columns) of the plane: True, or more than one half, is inside.
    plane
        Its plane.
    harmonics, frame, parametrisation
        As in `fit_polygon`.

    Raises
    ------
    ValueError
        For an empty mask, or one of another size than its plane.

    Examples
    --------
    >>> plane = PlaneGeometry(64, 64)
    >>> disc = FourierContour.circles(torch.zeros(1, 2), torch.tensor([0.5]))
    >>> fitted = fit_mask(disc.contains(plane.pixel_centres())[0], plane)
    >>> abs(fitted.area().item() / disc.area().item() - 1) < 0.02
    True
    """
    inside = mask.detach().cpu().numpy() > 0.5
    if inside.shape != (plane.rows, plane.columns):
        raise ValueError(
            f"a mask of {inside.shape} is no mask of a plane of {(plane.rows, plane.columns)}"
        )
    if not inside.any():
        raise ValueError("the mask is empty; there is nothing to fit a curve to")
    # A rim of zeros closes the boundary of a part that touches the plane's edge.
    part = np.pad(largest_part(inside), 1).astype(np.float64)
    outer = max(measure.find_contours(part, 0.5), key=len)[:-1] - 1
    polygon = plane.from_index(torch.from_numpy(outer[:, ::-1].copy()))
    return fit_polygon(polygon, harmonics=harmonics, frame=frame, parametrisation=parametrisation)


def _along_rays(start: FourierContour, points: Tensor, weights: Tensor) -> FourierContour:
    """Harmonics (and size, where it is in logarithms) that come nearest along the points' rays."""
    offsets = (points - start.center) @ start.frame_matrix(-1.0)[0]
    rho = offsets.norm(dim=-1).clamp_min(1e-6)
    theta = torch.atan2(offsets[:, 1], offsets[:, 0])
    count = start.harmonics.shape[1]
    order = torch.arange(1, count + 1, dtype=points.dtype)
    waves = theta.unsqueeze(1) * order
    columns = torch.cat([waves.cos(), waves.sin()], 1)
    solved, size = solve_along_rays(start, rho, columns, order.repeat(2), weights)
    return replace(start, harmonics=solved.view(2, count).mT.unsqueeze(0), size=size)


def _moments(vertices: Tensor) -> tuple[float, Tensor, Tensor]:
    """Area, center and (2, 2) covariance of the inside of a polygon, by Green's theorem."""
    following = vertices.roll(-1, 0)
    cross = vertices[:, 0] * following[:, 1] - following[:, 0] * vertices[:, 1]
    area = cross.sum() / 2
    if area == 0:
        return 0.0, vertices.mean(0), torch.eye(2, dtype=vertices.dtype)
    center = ((vertices + following) * cross[:, None]).sum(0) / (6 * area)
    first, second = vertices - center, following - center
    cross = first[:, 0] * second[:, 1] - second[:, 0] * first[:, 1]
    both = first + second
    products = torch.stack([p[:, :, None] * p[:, None, :] for p in (first, second, both)]).sum(0)
    covariance = (products * cross[:, None, None]).sum(0) / (24 * area)
    return abs(float(area)), center, covariance


def _frame_of(covariance: Tensor) -> Tensor:
    """(2,): the frame that turns a circle into an ellipse of this covariance."""
    values, axes = torch.linalg.eigh(covariance)
    # Half the logarithm of the ratio of the axes, which are roots of the eigenvalues.
    stretch: Tensor = (values[1] / values[0].clamp_min(1e-12 * values[1])).log() / 4
    cosine, sine = axes[:, 1]
    twice = torch.stack([cosine * cosine - sine * sine, 2 * cosine * sine])
    return stretch * twice


def _samples(vertices: Tensor) -> tuple[Tensor, Tensor]:
    """(S, 2) points around the polygon, and (S,) roots of the share of it each stands for.

    They are its vertices, which may lie on a curve where the edges between do not, and on edges
    longer than a `FINEST` of the boundary points at equal steps.
    """
    edges = vertices.roll(-1, 0) - vertices
    lengths = edges.norm(dim=-1)
    pieces = (lengths / (lengths.sum() / FINEST)).ceil().clamp_min(1).long()
    first = pieces.cumsum(0) - pieces
    step = torch.arange(int(pieces.sum())) - first.repeat_interleave(pieces)
    share = (step / pieces.repeat_interleave(pieces)).unsqueeze(-1)
    points = vertices.repeat_interleave(pieces, 0) + share * edges.repeat_interleave(pieces, 0)
    after = (lengths / pieces).repeat_interleave(pieces)
    share_of_all: Tensor = (after + after.roll(1)) / (2 * after.sum())
    return points, share_of_all.sqrt()
