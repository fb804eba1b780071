"""Grids of volumes in the patient: anisotropic, flipped, permuted, oblique."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def affine(
    turn: float = 0.0, flip: tuple[int, int, int] = (1, 1, 1), order: Any = (0, 1, 2)
) -> Array:
    """An affine of 0.8 x 1.1 x 2.5 mm: turned, its axes run backwards and in another order."""
    cosine, sine = np.cos(turn), np.sin(turn)
    about_z = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    made = np.eye(4)
    made[:3, :3] = (about_x @ about_z)[:, order] @ np.diag(np.array([0.8, 1.1, 2.5]) * flip)
    made[:3, 3] = (-37.0, 12.5, 81.0)
    return made


AFFINES = {
    "anisotropic": affine(),
    "flipped": affine(flip=(-1, 1, -1)),
    "permuted": affine(order=(2, 0, 1), flip=(1, -1, 1)),
    "oblique": affine(turn=0.3),
    "oblique and flipped": affine(turn=-0.4, flip=(-1, -1, 1), order=(1, 2, 0)),
}
