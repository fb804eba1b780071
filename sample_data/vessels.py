"""Vessels of the lungs: a tree grown from the hila, and its share of each voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from anatomy import Anatomy, Array, Points
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tree:
    """Vessels: tapering segments, (n, 3) starts and ends in mm and their radii."""

    start: Points
    end: Points
    radius_start: Points
    radius_end: Points


def _grow(
    root: Points, targets: Points, rng: np.random.Generator, tip: float
) -> tuple[list[Points], list[int], Points]:
    """Join targets, nearest to the root first, to the closest node of the growing tree.

    Returns nodes, parents (-1 for the root) and radii by Murray's law from `tip` mm at the leaves.
    """
    nodes, parents = [root], [-1]
    for target in targets[np.argsort(np.linalg.norm(targets - root, axis=1))]:
        cloud = np.asarray(nodes)
        parent = int(np.argmin(np.linalg.norm(cloud - target, axis=1)))
        length = float(np.linalg.norm(target - cloud[parent]))
        steps = max(1, round(length / 9))
        for i in range(1, steps + 1):
            bend = rng.normal(0, 0.05 * length, 3) if i < steps else np.zeros(3)
            nodes.append(cloud[parent] + (target - cloud[parent]) * i / steps + bend)
            parents.append(parent if i == 1 else len(nodes) - 2)
    leaves = np.zeros(len(nodes))
    leaves[np.setdiff1d(np.arange(len(nodes)), parents)] = 1
    for i in range(len(nodes) - 1, 0, -1):
        leaves[parents[i]] += leaves[i]
    return nodes, parents, tip * leaves ** (1 / 2.7)


def grow_vessels(
    an: Anatomy, rng: np.random.Generator, points: Points, depth: Points, left: NDArray[np.bool_]
) -> Tree:
    start, end, r0, r1 = [], [], [], []
    for side, hilum in enumerate(an.hila):
        inner = points[(left == bool(side)) & (depth > 5)]
        for shift in (np.array([0.0, -7.0, 5.0]), np.array([0.0, 7.0, -8.0])):
            chosen = inner[
                rng.choice(len(inner), min(len(inner), int(rng.integers(110, 150))), False)
            ]
            nodes, parents, radii = _grow(
                np.asarray(hilum) + shift, chosen, rng, rng.uniform(0.65, 0.8)
            )
            for i in range(1, len(nodes)):
                start.append(nodes[parents[i]])
                end.append(nodes[i])
                r0.append(min(radii[parents[i]], 1.25 * radii[i], 5.5))
                r1.append(min(radii[i], 5.5))
    return Tree(np.asarray(start), np.asarray(end), np.asarray(r0), np.asarray(r1))


def render_vessels(tree: Tree, z: Points, y: Points, x: Points, px: float) -> Array:
    """Share of each voxel that is vessel."""
    cover = np.zeros((len(z), len(y), len(x)), np.float32)
    for p, q, r0, r1 in zip(tree.start, tree.end, tree.radius_start, tree.radius_end, strict=True):
        margin = max(r0, r1) + px
        low, high = np.minimum(p, q) - margin, np.maximum(p, q) + margin
        i, j, k = (
            slice(*np.searchsorted(axis, (low[n], high[n]))) for n, axis in ((2, z), (1, y), (0, x))
        )
        if i.start == i.stop or j.start == j.stop or k.start == k.stop:
            continue
        grid = np.stack(np.meshgrid(z[i], y[j], x[k], indexing="ij"), axis=-1)[..., ::-1]
        along = q - p
        t = np.clip((grid - p) @ along / (along @ along + 1e-9), 0, 1)
        distance = np.linalg.norm(grid - p - t[..., None] * along, axis=-1)
        radius = r0 + (r1 - r0) * t
        share = np.clip(0.5 + (radius - distance) / px, 0, 1) * np.minimum(1, 2 * radius / px)
        np.maximum(cover[i, j, k], share, out=cover[i, j, k], casting="same_kind")
    return cover
