"""Shapes fitted to points on their boundary: least squares of distances, in their parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize
from torch import Tensor

from medcontour.contour.link import reach
from medcontour.contour.shape import Shape

__all__ = ["fit_from", "solve_along_rays"]

RIDGE = 1e-3

STEP = 1e-6
TRIES = 40


class Measured(Shape, Protocol):
    """A shape that knows how far points are from its boundary."""

    def distance(self, points: Tensor) -> Tensor:
        """(N, ...) signed distances of points (..., n), to first order."""


Fitted = TypeVar("Fitted", bound=Measured)


def fit_points(
    start: Fitted, free: Sequence[str], points: Tensor, weights: Tensor, tolerance: float
) -> tuple[Fitted, float]:
    """Find the shape of least distance to points, by Levenberg and Marquardt from a start.

    Parameters
    ----------
    start
        One shape, float64.
    free
        Names of the parameters that are fitted.
    points
        (S, n).
    weights
        (S,) roots of the share of the boundary each stands for.
    tolerance
        It ends where a step lowers the sum of squares by a smaller share.

    Returns
    -------
    tuple
        The shape, outside the graph, and half its mean squared distance.
    """
    tensors = {n: t for n, t in start.tensors().items() if n in free}
    lengths = [tensor.numel() for tensor in tensors.values()]

    def shapes(numbers: Tensor) -> Fitted:
        parts = torch.split(numbers, lengths, -1)
        moved = {
            name: part.reshape(len(numbers), *tensor.shape[1:])
            for (name, tensor), part in zip(tensors.items(), parts, strict=True)
        }
        fixed = {n: t.expand(len(numbers), *t.shape[1:]) for n, t in start.tensors().items()}
        return start.with_tensors(fixed | moved)

    def residuals(numbers: Tensor) -> Tensor:
        return shapes(numbers[None]).distance(points)[0] * weights

    def jacobian(numbers: Tensor) -> Tensor:
        # Central differences, all of them as one batch of shapes: exact to STEP squared, and
        # several times faster than forward derivatives of one shape.
        steps = STEP * torch.eye(len(numbers), dtype=numbers.dtype)
        both = shapes(torch.cat([numbers + steps, numbers - steps])).distance(points) * weights
        ahead, behind = both.chunk(2)
        return (ahead - behind).mT / (2 * STEP)

    def in_numpy(function: Callable[[Tensor], Tensor]) -> Callable[[Any], npt.NDArray[np.float64]]:
        return lambda numbers: function(torch.from_numpy(numbers)).numpy()

    found = optimize.least_squares(
        in_numpy(residuals),
        torch.cat([tensor.flatten() for tensor in tensors.values()]).numpy(),
        in_numpy(jacobian),
        method="lm",
        ftol=tolerance,
        xtol=1e-10,
        gtol=1e-15,
        max_nfev=TRIES,
    )
    return shapes(torch.from_numpy(found.x)[None]), float(found.cost)


def fit_from(
    starts: Sequence[Fitted],
    near: Callable[[Fitted, Tensor, Tensor], Fitted],
    points: Tensor,
    weights: Tensor,
    *,
    frame: bool,
    tolerance: float,
) -> Fitted:
    """Find the best of the fits from several starts.

    Parameters
    ----------
    starts
        Each one shape, float64.
    near
        Brings a start near the points (S, n) of weights (S,), along their rays.
    points, weights, tolerance
        As of `fit_points`.
    frame
        Whether the frame is fitted as well.
    """
    free = [name for name in starts[0].tensors() if frame or name != "frame"]
    fits = [
        fit_points(near(start, points, weights), free, points, weights, tolerance)
        for start in starts
    ]
    return min(fits, key=lambda fit: fit[1])[0]


def solve_along_rays(
    start: Measured, rho: Tensor, columns: Tensor, order: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Coefficients of the series that come nearest to points along their rays.

    The series u is linear in its coefficients. A ridge that grows with their order holds those of
    directions in which few points lie.

    Parameters
    ----------
    start
        One shape.
    rho
        (S,) distances of the points from its center, in the frame.
    columns
        (S, C) the terms of the series at the points' directions.
    order
        (C,) of the terms.
    weights
        (S,) as `fit_points` takes them.

    Returns
    -------
    tuple
        (C,) coefficients, and (1,) the size, which is the start's where it is not logarithmic.
    """
    ridge = RIDGE * order
    log = start.parametrisation == "log"
    if log:
        wanted = rho.log()
        columns = torch.cat([columns, torch.ones_like(rho).unsqueeze(1)], 1)
        ridge = torch.cat([ridge, ridge.new_zeros(1)])
    else:
        # tanh takes u to 1 only far out: 0.95 of the way is near enough to start from.
        middle = start.mean_radius
        wanted = torch.atanh(((rho - middle) / reach(middle)).clamp(-0.95, 0.95))
    if not columns.shape[1]:
        return order.new_zeros(0), start.size
    system = torch.cat([columns * weights.unsqueeze(1), ridge.diag()])
    right = torch.cat([wanted * weights, torch.zeros_like(ridge)])
    # Not lstsq, whose last digits depend on where in memory the system lies: fits would too.
    solved = torch.linalg.solve(system.mT @ system, system.mT @ right)
    return solved[: len(order)], solved[len(order) :] if log else start.size
