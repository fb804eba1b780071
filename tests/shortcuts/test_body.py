"""What of a slice is body: drawn slices whose parts are known."""

from __future__ import annotations

import numpy as np
import pytest

from medcontour.shortcuts import body_mask

ROWS, COLUMNS = 48, 64


def disc(centre: tuple[float, float], radius: float) -> np.ndarray:
    """(ROWS, COLUMNS) bool: pixels within `radius` of `centre` (column, row)."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    return np.hypot(column - centre[0], row - centre[1]) <= radius


BODY = disc((28.0, 24.0), 18.0)


def test_dark_organs_inside_belong_to_the_body() -> None:
    plane = np.where(BODY, 50.0, -1000.0)
    plane[disc((24.0, 22.0), 7.0)] = -900
    np.testing.assert_array_equal(body_mask(plane.astype(np.float32)), BODY)


def test_a_marker_and_a_table_beside_it_do_not() -> None:
    plane = np.where(BODY, 50.0, -1000.0)
    plane[3:9, 54:60] = 300
    plane[46, 10:50] = 0
    np.testing.assert_array_equal(body_mask(plane.astype(np.float32)), BODY)


def test_both_legs_do() -> None:
    legs = disc((16.0, 24.0), 9.0) | disc((46.0, 24.0), 11.0)
    plane = np.where(legs, 50.0, -1000.0).astype(np.float32)
    np.testing.assert_array_equal(body_mask(plane), legs)


@pytest.mark.parametrize(
    "plane", [np.full((48, 64), 3, np.float32), np.eye(48, 64, dtype=np.float32)]
)
def test_where_there_is_hardly_any_body_the_image_counts(plane: np.ndarray) -> None:
    assert body_mask(plane.astype(np.float32)).all()
