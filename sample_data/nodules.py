"""Nodules of the lungs: their shapes, and where they find room."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from anatomy import Anatomy, Points
from vessels import Tree


@dataclass(frozen=True)
class Nodule:
    """A star-convex nodule: a rotated ellipsoid with smooth bumps.

    Attributes
    ----------
    centre : tuple of float
        (x, y, z) in mm.
    semi_axes : tuple of float
        In mm, before rotation.
    rotation : numpy.ndarray
        3 x 3, rows are the ellipsoid's axes.
    bumps : numpy.ndarray
        (n, 4): unit directions and relative heights.
    hu, halo_hu : float
        Attenuation of the core and of the shell around it; equal for a solid nodule.
    core : float
        Radius of the core relative to the whole.
    touches_vessel : bool
        A vessel of at least 1.2 mm radius meets its surface.
    """

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    rotation: Points
    bumps: Points
    hu: float
    halo_hu: float
    core: float
    touches_vessel: bool = False

    def distance(self, points: Points) -> tuple[Points, Points]:
        """Gap in mm along the ray from the centre (negative inside) and the relative radius."""
        offset = points - np.asarray(self.centre)
        radius = np.linalg.norm(offset, axis=-1) + 1e-6
        unit = offset / radius[..., None]
        scaled = unit @ (self.rotation / np.asarray(self.semi_axes)[:, None]).T
        surface = 1.0 / np.maximum(np.linalg.norm(scaled, axis=-1), 1e-6)
        for bump in self.bumps:
            surface = surface * (1.0 + bump[3] * np.exp(4.0 * (unit @ bump[:3] - 1.0)))
        return radius - surface, radius / surface


def _draw_nodule(
    rng: np.random.Generator, diameter: float, solid: bool, elongation: float
) -> Nodule:
    """A nodule of given mean diameter at the origin."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    axes = np.array([elongation, 1.0, rng.uniform(0.85, 1.0)])
    axes *= diameter / 2 / axes.prod() ** (1 / 3)
    directions = rng.normal(size=(7, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bumps = np.column_stack([directions, rng.uniform(-0.12, 0.22, 7)])
    hu = rng.uniform(0, 70)
    halo = hu if solid else rng.uniform(-520, -330)
    core = 1.0 if solid else rng.uniform(0.35, 0.6)
    return Nodule((0.0, 0.0, 0.0), (axes[0], axes[1], axes[2]), rotation, bumps, hu, halo, core)


def place_nodules(
    rng: np.random.Generator,
    shapes: list[tuple[float, bool, float, bool]],
    an: Anatomy,
    tree: Tree,
    points: Points,
    depth: Points,
    z_range: tuple[float, float],
) -> list[Nodule]:
    """Put nodules into the lungs, apart from one another, on a vessel or away from the larger ones.

    `shapes` holds (diameter, solid, elongation, on a vessel) each.
    """
    steps = np.linspace(0, 1, 5)[:, None, None]
    line = (tree.start + (tree.end - tree.start) * steps).reshape(-1, 3)
    caliber = (tree.radius_start + (tree.radius_end - tree.radius_start) * steps[..., 0]).ravel()
    line, caliber = line[caliber > 1.2], caliber[caliber > 1.2]
    hila = np.asarray(an.hila)
    placed: list[Nodule] = []
    for diameter, solid, elongation, on_vessel in shapes:
        draft = _draw_nodule(rng, diameter, solid, elongation)
        reach = max(draft.semi_axes)
        inside = (points[:, 2] > z_range[0] + 0.6 * reach) & (
            points[:, 2] < z_range[1] - 0.6 * reach
        )
        inside &= np.linalg.norm(points[:, None] - hila, axis=2).min(axis=1) > 34 + reach
        for shrink in (1.0, 0.8, 0.6):
            candidates = points[inside & (depth > shrink * reach + 1)]
            if len(candidates) > 30:
                break
        found = None
        for centre in candidates[rng.permutation(len(candidates))[:400]]:
            if any(
                np.linalg.norm(centre - other.centre) < reach + max(other.semi_axes) + 8
                for other in placed
            ):
                continue
            here = replace(draft, centre=tuple(centre.tolist()))
            near = np.linalg.norm(line - centre, axis=1) < 2 * reach + 8
            gap = (here.distance(line[near])[0] - caliber[near]).min(initial=50.0)
            touches = bool(gap < 0.5)
            if touches == on_vessel and (touches or gap > 2.0):
                found = replace(here, touches_vessel=touches)
                break
        if found is not None:
            placed.append(found)
    return placed
