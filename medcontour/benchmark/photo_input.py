"""From a photograph's pixels to a network's input, and the truth that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from medcontour.benchmark.data.dataset import FloatArray
from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError

__all__ = ["PhotoInput", "truth_in"]

IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class PhotoInput:
    """How a photograph becomes a network's input: resized, cropped, normalised.

    Attributes
    ----------
    size
        (rows, columns) of the input.
    resize
        Length of the shorter side after resizing, before the middle is cropped; (rows, columns):
        the whole image is warped to those first; None: it is warped to `size`.
    mean, spread
        Of the values from 0 to 1, by channel: ``(value - mean) / spread``.
    interpolation
        ``"bilinear"`` or ``"bicubic"``, both with antialiasing.

    Examples
    --------
    >>> prepared = PhotoInput()(np.zeros((300, 400, 3), dtype=np.float32))
    >>> tuple(prepared.tensor.shape)
    (3, 224, 224)
    """

    size: tuple[int, int] = (224, 224)
    resize: int | tuple[int, int] | None = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    spread: tuple[float, ...] = IMAGENET_SPREAD
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __call__(self, pixels: FloatArray) -> Prepared:
        """Prepare (rows, columns) or (rows, columns, 3) values from 0 to 255.

        Raises
        ------
        MedcontourError
            For other values.
        """
        if pixels.min() < 0 or pixels.max() > 255:
            raise MedcontourError(
                "The image has values outside 0 to 255, which a network for photographs does not "
                "take; save it with 8 bits."
            )
        rows, columns = pixels.shape[:2]
        if isinstance(self.resize, int):  # as torchvision's Resize, cut to whole pixels as there
            height = self.resize if rows <= columns else int(self.resize * rows / columns)
            width = self.resize if columns <= rows else int(self.resize * columns / rows)
        else:
            height, width = self.resize or self.size
        picture = Image.fromarray(pixels.astype(np.uint8)).convert("RGB")
        picture = picture.resize((width, height), RESAMPLING[self.interpolation])
        top, left = round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)
        picture = picture.crop((left, top, left + self.size[1], top + self.size[0]))
        tensor = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)
        mean, spread = (torch.tensor(v).view(-1, 1, 1) for v in (self.mean, self.spread))
        down, across = rows / height, columns / width
        index = np.array(
            [
                [0.0, across, (left + 0.5) * across - 0.5],
                [down, 0.0, (top + 0.5) * down - 0.5],
                [0.0, 0.0, 1.0],
            ]
        )
        return Prepared((tensor - mean) / spread, index)


def truth_in(prepared: Prepared, truth: npt.NDArray[np.bool_]) -> Tensor:
    """Give a truth on the network's input, by the nearest pixel; False where padding is.

    Returns
    -------
    Tensor
        (height, width) bool.
    """
    height, width = prepared.tensor.shape[-2:]
    row, column = np.mgrid[:height, :width]
    places = np.stack([row, column, np.ones_like(row)], -1) @ prepared.index_from_input.T
    x, y = np.floor(places[..., 0] + 0.5).astype(int), np.floor(places[..., 1] + 0.5).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < truth.shape[1]) & (y < truth.shape[0])
    found = truth[y.clip(0, truth.shape[0] - 1), x.clip(0, truth.shape[1] - 1)] & inside
    return torch.from_numpy(found)
