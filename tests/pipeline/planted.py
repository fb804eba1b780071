"""Scans with planted spots, and small networks whose evidence is known because it was written in.

All weights are in closed form: what each network looks at is plain from its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, EnsureChannelFirst, Transpose
from torch import Tensor, nn

from medcontour import Scan, Suggestion, load_classifier
from medcontour.classifier import Classifier

LABELS = ("no spot", "spot")
ROWS, COLUMNS = 48, 64
SPOT = ((40.0, 18.0), 5.0, 0.95)


class Spots(nn.Module):
    """Looks at how much there is that is brighter than `threshold` over a few pixels.

    The logits are 0 and `gain * (amount - 1)`, at most `ceiling`: no where nothing is bright, yes
    from a spot of about 3 pixels radius on, and the surer the more there is.
    """

    def __init__(self, threshold: float = 0.55, gain: float = 4.0, ceiling: float = 1e6) -> None:
        super().__init__()
        offsets = torch.arange(-4.0, 5.0)
        bell = torch.exp(-0.5 * (offsets / 2.0) ** 2)
        kernel = bell[:, None] * bell
        self.smooth = nn.Conv2d(1, 1, 9, padding=4, padding_mode="replicate", bias=False)
        self.smooth.weight.data = (kernel / kernel.sum())[None, None]
        self.threshold, self.gain, self.ceiling = threshold, gain, ceiling

    def amount(self, images: Tensor) -> Tensor:
        """(B,): what is over the threshold, summed over the image."""
        over = nn.functional.softplus(40 * (self.smooth(images) - self.threshold)) / 40
        return over.flatten(1).sum(1) / 4.5

    def forward(self, images: Tensor) -> Tensor:
        answer = (self.gain * (self.amount(images) - 1)).clamp(max=self.ceiling)
        return torch.stack([torch.zeros_like(answer), answer], 1)


def _high_pass(images: Tensor) -> Tensor:
    return images - nn.functional.avg_pool2d(images, 5, 1, 2, count_include_pad=False)


class TextureAnywhere(nn.Module):
    """Looks at how much of the image is textured, never where.

    It says yes where nearly all is, and where a small part is; no for anything between and for
    none. So a small curve keeps and removes the answer wherever it lies.
    """

    def forward(self, images: Tensor) -> Tensor:
        share = _high_pass(images).abs().mean((1, 2, 3)) / FULL_TEXTURE
        nearly_all = torch.tanh(40 * (share - 0.985))
        small_part = torch.exp(-(((share - 0.10) / 0.08) ** 2))
        answer = 4 * nearly_all + 8 * small_part
        return torch.stack([torch.zeros_like(answer), answer], 1)


class Always(nn.Module):
    """Says the same of every image: blind to what is in it."""

    def __init__(self, answer: float) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: Tensor) -> Tensor:
        answer = images.mean((1, 2, 3)) * 1e-3 + self.answer
        return torch.stack([torch.zeros_like(answer), answer], 1)


def chequered() -> np.ndarray:
    """A plane with the same texture everywhere."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    return ((row + column) % 2).astype(np.float32)


FULL_TEXTURE = float(_high_pass(torch.from_numpy(chequered())[None, None]).abs().mean())


def classifier(
    network: nn.Module, transforms: Sequence[Callable[[Any], Any]] | None = None
) -> Classifier:
    """Load a network that takes planes as they are, or through `transforms`."""
    steps = [EnsureChannelFirst(channel_dim="no_channel"), Transpose((0, 2, 1))]
    chosen = Compose(list(steps if transforms is None else transforms))
    return load_classifier(network, labels=LABELS, preprocessing=chosen, name="planted")


def ground(seed: int = 0, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """(rows, columns) of dim noise between 0.1 and 0.3."""
    return np.random.default_rng(seed).uniform(0.1, 0.3, (rows, columns)).astype(np.float32)


def disc(
    centre: tuple[float, float],
    radius: float,
    spacing: tuple[float, float] = (1.0, 1.0),
    shape: tuple[int, int] = (ROWS, COLUMNS),
) -> np.ndarray:
    """(rows, columns) bool: pixels within `radius` mm of `centre` (column, row)."""
    row, column = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot((column - centre[0]) * spacing[1], (row - centre[1]) * spacing[0])
    return away <= radius


def with_spots(
    spots: Sequence[tuple[tuple[float, float], float, float]], seed: int = 0
) -> np.ndarray:
    """A plane with discs of (centre, radius, brightness)."""
    plane = ground(seed)
    for centre, radius, brightness in spots:
        plane[disc(centre, radius)] = brightness
    return plane


def scan_of(*planes: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> Scan:
    """A scan of planes 3 mm apart, rows and columns along y and x."""
    affine = np.diag([spacing[1], spacing[0], 3.0, 1.0])
    origins = np.arange(len(planes))[:, None] * affine[:3, 2]
    return Scan(np.stack(planes), affine, origins, "mm", "CT", "memory", (0.0, 1.0))


def centroid(polygon: np.ndarray) -> np.ndarray:
    """(2,) of a closed polygon (n, 2)."""
    x, y = polygon.T
    following_x, following_y = np.roll(x, -1), np.roll(y, -1)
    cross = x * following_y - following_x * y
    return np.array([((x + following_x) * cross).sum(), ((y + following_y) * cross).sum()]) / (
        3 * cross.sum()
    )


def polygons(suggestion: Suggestion, kind: str) -> list[np.ndarray]:
    return [contour.polygon_lps_mm for contour in suggestion.contours(kind)]


def inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(m,) bool: which points (m, 2) lie in a polygon (n, 2), by crossings of a ray."""
    x, y = points[:, :1], points[:, 1:]
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, 0).T
    spans = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return np.asarray((spans & crossing).sum(1) % 2 == 1)


def pixel_mask(polygon: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) bool for a polygon in (column, row) index."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    points = np.stack([column.ravel(), row.ravel()], 1)
    return inside(polygon[:, :2], points).reshape(ROWS, COLUMNS)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.sum(a & b) / (a.sum() + b.sum()))
