"""Shapes of a thorax in one axial plane: body, lungs, bones and great vessels, in mm and HU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating[Any]]
Points = NDArray[np.floating[Any]]


@dataclass
class Anatomy:
    """Sizes in mm of one patient, drawn from the seed."""

    rng: np.random.Generator
    body: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        u = self.rng.uniform
        self.body = (u(148, 166), u(100, 120))
        self.body_power = u(2.2, 2.7)
        self.fat = u(7, 20)
        self.muscle = u(9, 14)
        self.cage = (
            self.body[0] - self.fat - self.muscle - 8,
            self.body[1] - 0.6 * self.fat - self.muscle - u(8, 14),
        )
        self.cage_y = u(-10, -3)
        self.apex = u(86, 102)
        self.widest = u(-40, -15)
        self.dome = (u(-92, -78), u(-104, -88))  # right, left
        self.dome_height = u(26, 40)
        self.mediastinum = u(24, 33)
        self.heart = (u(14, 26), u(-30, -18), u(-66, -52))
        self.heart_axes = (u(50, 62), u(38, 48), u(48, 58))
        self.heart_turn = u(0.3, 0.75)
        self.hila = [(-u(34, 40), u(2, 12), u(-14, -2)), (u(36, 42), u(4, 14), u(-8, 4))]
        self.hilum_size = u(9, 13)
        self.vertebra = (u(16, 20), u(13, 16))
        self.vertebra_step = u(21, 26)
        self.vertebra_phase = u(0, 20)
        self.spine_y = self.cage_y + self.cage[1] - u(4, 12)
        self.rib_step = self.vertebra_step
        self.rib_drop = u(62, 84)
        self.rib_size = (u(3.0, 4.0), u(5.5, 7.0))
        self.bone = u(480, 700)
        self.aorta = u(11, 14)
        self.blood = u(38, 60)
        self.lung = u(-880, -825)
        self.scapula = u(-10, 25)
        self.table_gap = u(4, 12)


def radial(x: Array, y: Array, a: float, b: float, power: float = 2.0) -> Array:
    """Gap in mm along the ray from the origin to a superellipse; negative inside."""
    if power == 2.0:
        rho = np.hypot(x / a, y / b)
    else:
        rho = (np.abs(x / a) ** power + np.abs(y / b) ** power) ** (1 / power)
    rho = np.maximum(rho, 1e-3)
    return np.asarray(np.hypot(x, y) * (1 - 1 / rho) - (rho <= 1e-3) * min(a, b), np.float32)


def ellipse(
    x: Array, y: Array, centre: tuple[float, float], a: float, b: float, turn: float = 0.0
) -> Array:
    dx, dy = x - centre[0], y - centre[1]
    c, s = np.cos(turn), np.sin(turn)
    return radial(c * dx + s * dy, c * dy - s * dx, a, b)


def capsule(x: Array, y: Array, p: tuple[float, float], q: tuple[float, float], r: float) -> Array:
    vx, vy = q[0] - p[0], q[1] - p[1]
    t = np.clip(((x - p[0]) * vx + (y - p[1]) * vy) / (vx * vx + vy * vy), 0, 1)
    return np.asarray(np.hypot(x - p[0] - t * vx, y - p[1] - t * vy) - r, np.float32)


def plane(
    an: Anatomy, x: Array, y: Array, z: float, px: float, table: bool = False
) -> tuple[Array, Array]:
    """HU of everything but vessels and nodules in one axial plane, and the share of lung."""

    def cover(gap: Array) -> Array:
        share: Array = np.clip(0.5 - gap / px, 0, 1)
        return share

    hu = np.full(x.shape, -1000.0, np.float32)

    def paint(value: float | Array, gap: Array) -> None:
        hu[...] += (value - hu) * cover(gap)

    # Shape of body and rib cage at this height.
    shoulder = 1 + 0.10 * np.clip((z - 45) / 50, 0, 1)
    body_gap = radial(x, y, an.body[0] * shoulder, an.body[1], an.body_power)
    up = np.clip((z - an.widest) / (an.apex + 8 - an.widest), 0, 0.999)
    down = np.clip((an.widest - z) / 260, 0, 1)
    scale = (1 - up**2.6) ** 0.5 * (1 - down**2)
    cage_a, cage_b = an.cage[0] * max(scale, 0.32), an.cage[1] * max(scale**0.8, 0.32)
    centre_y = an.cage_y + (1 - max(scale, 0.32)) * 0.35 * an.cage[1]
    xc, yc = x, y - centre_y
    cage_gap = radial(xc, yc, cage_a, cage_b, 2.15)

    paint(-105.0, body_gap)
    paint(50.0, body_gap + an.fat)
    paint(-60.0, cage_gap - an.muscle * 0.35)
    paint(45.0, cage_gap - 8 + np.abs(y) * 0.01)

    # Mediastinum and what lies under the diaphragm.
    spine_y = an.spine_y
    half = an.mediastinum * (1.0 + 0.1 * np.sin(z / 20))
    middle = ellipse(x, y, (0.0, an.cage_y - 2), half, an.cage[1] * 0.80)
    rib_front = np.abs(x) - 4.0
    middle = np.minimum(middle, rib_front)
    middle = np.minimum(middle, ellipse(x, y, (0.0, spine_y), an.vertebra[0] + 9, 24.0))
    ha, hb, hc = an.heart_axes
    rise = 1 - ((z - an.heart[2]) / hc) ** 2
    heart = np.full(x.shape, 50.0, np.float32)
    if rise > 0.02:
        heart = ellipse(x, y, an.heart[:2], ha * rise**0.5, hb * rise**0.5, an.heart_turn)
    middle = np.minimum(middle, heart - 4)
    for hx, hy, hz in an.hila:
        size2 = an.hilum_size**2 - ((z - hz) * 0.7) ** 2
        if size2 > 4:
            middle = np.minimum(
                middle, ellipse(x, y, (hx * 0.85, hy), 1.3 * size2**0.5, size2**0.5)
            )
    domes = np.where(x < 0, an.dome[0], an.dome[1]) + an.dome_height * (
        1 - ((np.abs(x) - 0.52 * cage_a) / (0.55 * cage_a)) ** 2 - ((yc + 8) / (0.95 * cage_b)) ** 2
    )
    outside = np.maximum.reduce([cage_gap + 2, -middle, (domes - z) * 0.8])
    lung_gap = np.maximum(outside, np.float32(z - an.apex))
    paint(-85.0, np.maximum(cage_gap + 3, middle))
    liver = np.where(x < 12, 62.0, 46.0).astype(np.float32)
    paint(liver, np.maximum(cage_gap + 3, np.minimum((z - domes) * 0.8, 20)))
    stomach = (58.0, -22.0, an.dome[1] + 2)
    size2 = 28.0**2 - (z - stomach[2]) ** 2
    if size2 > 9:
        paint(-960.0, np.maximum(ellipse(x, y, stomach[:2], size2**0.5, 0.7 * size2**0.5), y + 26))

    # Great vessels, heart, airways, gullet.
    paint(an.blood, heart)
    if z < 30:
        paint(an.blood, ellipse(x, y, (24.0, spine_y - 20), an.aorta, an.aorta))
    if -10 < z < 30:
        paint(an.blood, ellipse(x, y, (-6.0, an.cage_y - 32), an.aorta * 1.15, an.aorta * 1.1))
        paint(an.blood, ellipse(x, y, (-26.0, an.cage_y - 22), 9.0, 8.0))
    arch = 13.0**2 - (z - 32) ** 2
    if arch > 4:
        paint(an.blood, capsule(x, y, (0.0, an.cage_y - 32), (22.0, spine_y - 24), arch**0.5))
    if z >= 40:
        for vx, vy, r in [(-18, -20, 7.5), (-6, -30, 6.5), (9, -22, 5.0), (20, -10, 5.5)]:
            paint(an.blood, ellipse(x, y, (vx * 1.0, an.cage_y + vy), r, r))
    trunk = 14.0**2 - (z + 8) ** 2
    if trunk > 4:
        size = trunk**0.5
        paint(an.blood, capsule(x, y, (14.0, an.cage_y - 34), (36.0, an.hila[1][1]), size * 0.8))
        paint(an.blood, capsule(x, y, (4.0, an.cage_y - 14), (-36.0, an.hila[0][1]), size * 0.65))
    paint(40.0, ellipse(x, y, (6.0, spine_y - 24), 7.0, 5.0))
    if z > 2:
        paint(30.0, ellipse(x, y, (0.0, an.cage_y + 2), 10.5, 10.0))
        paint(-985.0, ellipse(x, y, (0.0, an.cage_y + 2), 8.5, 8.0))
    elif z > -18:
        for side in (-1, 1):
            at = (side * (8 + 0.9 * (2 - z)), an.cage_y + 2)
            paint(30.0, ellipse(x, y, at, 8.5, 7.0))
            paint(-985.0, ellipse(x, y, at, 6.5, 5.2))

    # Lungs: denser towards the back.
    lung = cover(lung_gap)
    hu += (an.lung + 0.45 * (yc + 0) - hu) * lung

    # Ribs: arcs that fall from back to front and so cross each plane obliquely.
    phi = np.arctan2(np.abs(xc) / cage_a, yc / cage_b)
    fall = an.rib_drop * (1 - np.cos(phi)) / 2
    for k in range(-3, 9):
        dz = z - (an.apex - 12 + an.vertebra_phase / 3 - k * an.rib_step - fall)
        if np.abs(dz).min() > 10:
            continue
        thick, tall = an.rib_size
        du = (cage_gap - thick - 1.0) / thick
        rho = np.hypot(du, dz / tall)
        gap = np.where((phi > 0.3) & (phi < 2.75), (rho - 1) * thick, 9.0).astype(np.float32)
        cartilage = phi > 2.35
        paint(np.where(cartilage, 110, an.bone).astype(np.float32), gap)
        paint(np.where(cartilage, 90, 230).astype(np.float32), gap + 1.8)

    # Spine, breastbone, shoulder blades.
    level = (z + an.vertebra_phase) % an.vertebra_step
    va, vb = an.vertebra
    waist = 1 - 0.08 * np.sin(np.pi * level / an.vertebra_step)
    disc = level < 4
    paint(
        an.bone * 0.8 if not disc else 90.0, ellipse(x, y, (0.0, spine_y), va * waist, vb * waist)
    )
    paint(
        190.0 if not disc else 80.0,
        ellipse(x, y, (0.0, spine_y), va * waist - 2.2, vb * waist - 2.2),
    )
    canal = (0.0, spine_y + vb + 7)
    if level < 0.75 * an.vertebra_step:
        paint(an.bone * 0.7, ellipse(x, y, canal, 14.0, 12.0))
        for side in (-1, 1):
            tip = (side * 33.0, canal[1] + 7)
            if level < 0.5 * an.vertebra_step:
                paint(an.bone * 0.6, capsule(x, y, (side * 10.0, canal[1] + 2), tip, 4.2))
    paint(an.bone * 0.65, capsule(x, y, (0.0, canal[1] + 10), (0.0, canal[1] + 20), 3.0))
    paint(25.0, ellipse(x, y, canal, 9.5, 8.5))
    if z > -75:
        front = (0.0, centre_y - cage_b - 5)
        paint(an.bone * 0.7, ellipse(x, y, front, 19.0, 6.0))
        paint(160.0, ellipse(x, y, front, 16.5, 4.0))
    if z > an.scapula - 70:
        for side in (-1, 1):
            reach = np.clip((z - an.scapula + 70) / 80, 0.15, 1)
            p = (side * (0.60 * cage_a + 22), centre_y + 0.80 * cage_b + 14)
            q = (p[0] + side * 38 * reach, p[1] - 34 * reach)
            blade = np.maximum(capsule(x, y, p, q, 3.2), body_gap + an.fat * 0.6)
            paint(an.bone * 0.7, np.maximum(blade, 5.0 - cage_gap))

    if table:
        bed = y - (an.body[1] + an.table_gap + 8) + 0.0009 * x**2
        paint(-650.0, np.maximum(np.abs(bed) - 2.0, np.abs(x) - 160).astype(np.float32))
    return hu, lung


def lung_points(
    an: Anatomy, rng: np.random.Generator
) -> tuple[Points, NDArray[np.float64], NDArray[np.bool_]]:
    """Jittered points inside the lungs, their depth in mm, and which are in the left lung."""
    step = 4.0
    axis_x, axis_y = np.arange(-150, 150, step), np.arange(-120, 120, step)
    axis_z = np.arange(-125, 105, step)
    y, x = np.meshgrid(axis_y.astype(np.float32), axis_x.astype(np.float32), indexing="ij")
    inside = np.stack([plane(an, x, y, float(z), step)[1] > 0.5 for z in axis_z])
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1, 1:-1] * step
    index = np.argwhere(depth > 0)
    points = np.stack([axis_x[index[:, 2]], axis_y[index[:, 1]], axis_z[index[:, 0]]], axis=1)
    points = points + rng.uniform(-step / 2, step / 2, points.shape)
    return points, depth[depth > 0] - step / 2, points[:, 0] > 0
