"""A surface in the report, from all sides: as large as it is, and the right way round."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medcontour.report.turning import SIDE, STEPS, make_turning, turned
from medcontour.results import PlacedSurface

BALL = {"parametrisation": "log", "center": [0.0] * 3, "size": -1.0, "harmonics": []}
BALL |= {"frame": [0.0] * 5}
HALF_MM = np.array([30.0, 18.0, 12.0])
"""Half axes of an ellipsoid along L, P and S."""


def ellipsoid() -> PlacedSurface:
    """A ball of radius exp(-1) in volume coordinates, placed as an ellipsoid off the origin."""
    lps_from_volume = np.diag([*HALF_MM * math.e, 1.0])
    lps_from_volume[:3, 3] = (40.0, -70.0, 900.0)
    return PlacedSurface(BALL, lps_from_volume, 1.0)


@pytest.mark.parametrize("step", range(STEPS))
def test_the_silhouette_is_the_ellipse_s(step: int) -> None:
    """In closed form: turned by a, an ellipsoid is sqrt(a^2 cos^2 + b^2 sin^2) wide."""
    corners, triangles = ellipsoid().mesh(4)
    angle = 2 * math.pi * step / STEPS
    lit = turned(corners, triangles, angle).any(-1)
    across = math.hypot(HALF_MM[0] * math.cos(angle), HALF_MM[1] * math.sin(angle))
    pixel = 2.1 * HALF_MM.max() / SIDE
    assert lit.sum() * pixel**2 == pytest.approx(math.pi * across * HALF_MM[2], rel=0.06)
    rows, columns = (np.ptp(np.nonzero(lit)[axis]) + 1 for axis in (0, 1))
    assert columns * pixel == pytest.approx(2 * across, abs=2.5 * pixel)
    assert rows * pixel == pytest.approx(2 * HALF_MM[2], abs=2.5 * pixel)


def test_left_and_right_and_head_are_where_a_reader_expects_them() -> None:
    """A pyramid that points to the patient's left, its base's upper edge shorter than its lower."""
    corners = np.array([[30.0, 0, 0], [-10, -9, -9], [-10, 9, -9], [-10, 4, 9], [-10, -4, 9]])
    triangles = np.array([[0, 2, 3], [0, 3, 4], [0, 4, 1], [0, 1, 2], [1, 4, 3], [1, 3, 2]])
    front, left, back = (
        turned(corners, triangles, turn * math.pi / 2).any(-1) for turn in range(3)
    )
    first, last = (np.nonzero(front.any(0))[0][n] for n in (0, -1))
    assert front[:, first + 2].sum() > 3 * front[:, last - 2].sum()
    first, last = (np.nonzero(back.any(0))[0][n] for n in (0, -1))
    assert 3 * back[:, first + 2].sum() < back[:, last - 2].sum()
    first, last = (np.nonzero(left.any(1))[0][n] for n in (0, -1))
    assert left[first + 2].sum() < 0.7 * left[last - 2].sum()  # the head is up


def test_a_report_shows_it_in_one_picture() -> None:
    made = make_turning(ellipsoid(), "nodule 1")
    assert made is not None
    assert made.picture.startswith("data:image/")
    assert "nodule 1" in made.alt
    assert made.width_mm == pytest.approx(2.1 * HALF_MM.max(), rel=0.01)
    assert make_turning(None, "nodule 1") is None
