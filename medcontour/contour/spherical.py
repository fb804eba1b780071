r"""Real spherical harmonics as polynomials of a direction, with their gradient in closed form.

On the sphere the harmonic of degree l and order m is ``Q_lm(z)`` times ``Re (x + iy)^m`` or, for
negative orders, ``Im (x + iy)^|m|``, where ``Q_lm`` is the m-th derivative of Legendre's
polynomial. So a series up to degree L is a polynomial in x, y and z: no trigonometry per point, no
special case at the poles, and a gradient that is a polynomial as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.polynomial import Legendre, Polynomial
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["degree_of", "degrees", "series", "series_and_gradient"]


def degree_of(count: int) -> int:
    """L of `count` coefficients ``(L + 1)^2 - 1``.

    Raises
    ------
    ValueError
        For a number that no degree has.
    """
    degree = math.isqrt(count + 1) - 1
    if (degree + 1) ** 2 - 1 != count:
        raise ValueError(f"{count} coefficients are no full set of harmonics; give (L + 1)^2 - 1")
    return degree


def degrees(degree: int) -> list[int]:
    """Degree of each coefficient: 1 three times, 2 five times, and so on up to L."""
    return [n for n in range(1, degree + 1) for _ in range(2 * n + 1)]


def series(directions: tuple[Tensor, Tensor, Tensor], harmonics: Tensor) -> Tensor:
    """Sum of harmonics at unit directions, without the constant one.

    They are normalised so that the square of each has the mean one half over the sphere, as that
    of a cosine over the circle: a coefficient of a surface means what one of a curve means.

    Parameters
    ----------
    directions
        x, y and z, each (N, P).
    harmonics
        (N, (L + 1)^2 - 1): orders -l to l of degree 1, then of degree 2, and so on.

    Returns
    -------
    Tensor
        (N, P). It can be differentiated once; `series_and_gradient` any number of times.
    """
    summed: Callable[..., Tensor] = _Series.apply  # untyped up to torch 2.13
    return summed(*directions, _in_powers(harmonics))


def series_and_gradient(
    directions: tuple[Tensor, Tensor, Tensor], harmonics: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """`series`, and the gradient of its polynomial with respect to x, y and z, each (N, P)."""
    return _summed(directions, _in_powers(harmonics))


class _Series(torch.autograd.Function):
    """Nothing but the directions is kept for the gradient: volumes have many voxels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, z: Tensor, powers: Tensor) -> Tensor:
        ctx.save_for_backward(x, y, z, powers)
        return _summed((x, y, z), powers)[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, ...]:
        x, y, z, powers = ctx.saved_tensors
        along = [outer * part for part in _summed((x, y, z), powers)[1]]
        weights = torch.empty_like(powers)
        place = 0
        for order, waves in enumerate(_waves(x, y, _degree(powers))):
            for wave in waves if order else waves[:1]:
                weighted = outer * wave
                for power in range(_degree(powers) - order + 1):
                    if power:
                        weighted = weighted * z
                    weights[:, place] = weighted.sum(-1)
                    place += 1
        return along[0], along[1], along[2], weights


def _summed(
    directions: tuple[Tensor, Tensor, Tensor], powers: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The polynomial of (N, (L + 1)^2) coefficients, and its gradient."""
    x, y, z = directions
    degree, place = _degree(powers), 0
    total = along_x = along_y = along_z = torch.zeros_like(z)
    before = (torch.zeros_like(z), torch.zeros_like(z))
    for order, waves in enumerate(_waves(x, y, degree)):
        heights = []
        for _ in waves if order else waves[:1]:
            end = place + degree - order + 1
            heights.append(_horner(z, powers[:, place:end]))
            place = end
        for wave, (height, slope) in zip(waves, heights, strict=False):
            total = total + wave * height
            along_z = along_z + wave * slope
        if order:
            (cosine, _), (sine, _) = heights
            along_x = along_x + order * (before[0] * cosine + before[1] * sine)
            along_y = along_y + order * (before[0] * sine - before[1] * cosine)
        before = waves
    return total, (along_x, along_y, along_z)


def _waves(x: Tensor, y: Tensor, degree: int) -> Iterator[tuple[Tensor, Tensor]]:
    """``Re`` and ``Im`` of ``(x + iy)^m``, from m = 0 to the degree."""
    cosine, sine = torch.ones_like(x), torch.zeros_like(x)
    for order in range(degree + 1):
        yield cosine, sine
        if order < degree:
            cosine, sine = x * cosine - y * sine, x * sine + y * cosine


def _horner(z: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """A polynomial in z and its derivative; coefficients (N, powers), the constant first."""
    *lower, highest = coefficients.unsqueeze(-1).unbind(1)
    value, slope = highest.expand_as(z), torch.zeros_like(z)
    for coefficient in reversed(lower):
        slope = value + z * slope
        value = coefficient + z * value
    return value, slope


def _degree(powers: Tensor) -> int:
    return math.isqrt(powers.shape[1]) - 1


def _in_powers(harmonics: Tensor) -> Tensor:
    """(N, (L + 1)^2): coefficients of ``Re`` or ``Im (x + iy)^m`` times powers of z.

    Not a matrix product, which may be allowed to be less exact than float32.
    """
    table = torch.from_numpy(_table(degree_of(harmonics.shape[1]))).to(harmonics)
    return (harmonics.unsqueeze(-1) * table).sum(1)


@lru_cache
def _table(degree: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """((L + 1)^2 - 1, (L + 1)^2): each harmonic in powers."""
    firsts, place = {}, 0
    for order in range(degree + 1):
        for sign in (1, -1) if order else (1,):
            firsts[sign * order] = place
            place += degree - order + 1
    table = np.zeros(((degree + 1) ** 2 - 1, (degree + 1) ** 2))
    every = [(n, m) for n in range(1, degree + 1) for m in range(-n, n + 1)]
    for row, (n, m) in enumerate(every):
        order = abs(m)
        height = Legendre.basis(n).convert(kind=Polynomial).deriv(order).coef
        squared = (2 * n + 1) * math.factorial(n - order) / math.factorial(n + order)
        factor = math.sqrt(squared if order else squared / 2)
        table[row, firsts[m] : firsts[m] + len(height)] = factor * np.asarray(
            height, dtype=np.float64
        )
    return table
