"""Directions all over the sphere: with weights, to integrate; with triangles, to draw."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["icosphere", "quadrature"]


@lru_cache
def quadrature(polar: int) -> tuple[Tensor, Tensor]:
    """Gauss and Legendre's rule from pole to pole times the trapezoidal rule around.

    Exact for polynomials of the direction up to degree ``2 * polar - 1``.

    Parameters
    ----------
    polar
        Circles of latitude; each has twice as many directions.

    Returns
    -------
    tuple
        (P, 3) unit directions and (P,) weights, float64, which add up to the area of the unit
        sphere.

    Examples
    --------
    >>> directions, weights = quadrature(4)
    >>> round(float((weights * directions[:, 2] ** 6).sum()) / (4 * math.pi) * 7, 12)
    1.0
    """
    z, height = np.polynomial.legendre.leggauss(polar)
    around = 2 * math.pi * (np.arange(2 * polar) + 0.5) / (2 * polar)
    across = np.sqrt(1 - z * z)[:, None]
    directions = np.stack(
        np.broadcast_arrays(across * np.cos(around), across * np.sin(around), z[:, None]), -1
    )
    weights = np.repeat(height * math.pi / polar, 2 * polar)
    return torch.from_numpy(directions.reshape(-1, 3)), torch.from_numpy(weights)


@lru_cache
def icosphere(detail: int) -> tuple[Tensor, Tensor]:
    """An icosahedron whose triangles are cut in four so many times, drawn out to the unit sphere.

    Returns
    -------
    tuple
        (V, 3) float64 unit directions, ``V = 10 * 4^detail + 2``, and (T, 3) int64 triangles,
        ``T = 20 * 4^detail``, counter-clockwise seen from outside.

    Examples
    --------
    >>> vertices, triangles = icosphere(2)
    >>> len(vertices), len(triangles)
    (162, 320)
    """
    golden = (1 + math.sqrt(5)) / 2
    corners = np.array([[-1, golden, 0], [1, golden, 0], [-1, -golden, 0], [1, -golden, 0]])
    points = np.concatenate([np.roll(corners, turn, axis=1) for turn in range(3)])
    nearest = np.linalg.norm(points[:, None] - points, axis=-1) < 2.1
    triangles = np.array(
        [
            (a, b, c)
            for a in range(12)
            for b in range(a + 1, 12)
            for c in range(b + 1, 12)
            if nearest[a, b] and nearest[b, c] and nearest[a, c]
        ]
    )
    outward = np.linalg.det(points[triangles]) > 0
    triangles[~outward] = triangles[~outward][:, ::-1]
    for _ in range(detail):
        edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, which = np.unique(edges, axis=0, return_inverse=True)
        middle = len(points) + which.reshape(-1, 3)
        points = np.concatenate([points, points[unique].mean(1)])
        (a, b, c), (ab, bc, ca) = triangles.T, middle.T
        quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        triangles = np.concatenate([np.stack(quarter, 1) for quarter in quarters])
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    return torch.from_numpy(points), torch.from_numpy(triangles)
