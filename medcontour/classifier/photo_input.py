"""From a picture's pixels to the input of a network made for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError

__all__ = ["IMAGENET_MEAN", "IMAGENET_SPREAD", "RESAMPLING", "PhotoInput", "as_bytes", "placed"]

IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class PhotoInput:
    """How a picture becomes a network's input: resized, cropped, normalised.

    Attributes
    ----------
    size
        (rows, columns) of the input.
    resize
        Length of the shorter side after resizing, before the middle is cropped; (rows, columns):
        the whole image is warped to those first; None: it is warped to `size`.
    mean, spread
        Of the values from 0 to 1, by channel: ``(value - mean) / spread``. One of each: the
        network takes one channel, in grey.
    interpolation
        ``"bilinear"`` or ``"bicubic"``, both with antialiasing.
    any_range
        Whether a plane with values outside 0 to 255 is first brought there by its own lowest and
        highest value, as for a radiograph of 12 bits; otherwise it is refused.

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
    any_range: bool = False

    def __call__(
        self, plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float] = (1.0, 1.0)
    ) -> Prepared:
        """Prepare (rows, columns) or (rows, columns, 3) values from 0 to 255.

        The pixel spacing plays no part.

        Raises
        ------
        MedcontourError
            For other values, unless `any_range`.
        """
        if self.any_range and (plane.min() < 0 or plane.max() > 255):
            low, high = float(plane.min()), float(plane.max())
            plane = (plane - low) * (255 / max(high - low, 1e-6))
        rows, columns = plane.shape[:2]
        if isinstance(self.resize, int):  # as torchvision's Resize, cut to whole pixels as there
            height = self.resize if rows <= columns else int(self.resize * rows / columns)
            width = self.resize if columns <= rows else int(self.resize * columns / rows)
        else:
            height, width = self.resize or self.size
        picture = as_bytes(plane).convert("RGB" if len(self.mean) == 3 else "L")
        picture = picture.resize((width, height), RESAMPLING[self.interpolation])
        top, left = round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)
        picture = picture.crop((left, top, left + self.size[1], top + self.size[0]))
        array = np.asarray(picture, dtype=np.float32).reshape(*self.size, -1)
        tensor = torch.from_numpy(array / 255).permute(2, 0, 1)
        mean, spread = (torch.tensor(v).view(-1, 1, 1) for v in (self.mean, self.spread))
        index = placed(rows / height, columns / width, top, left)
        return Prepared((tensor - mean) / spread, index)


def as_bytes(plane: npt.NDArray[np.float32]) -> Image.Image:
    """Give a plane of values from 0 to 255 as a picture of 8 bits.

    Raises
    ------
    MedcontourError
        For other values.
    """
    if not np.isfinite(plane).all() or plane.min() < 0 or plane.max() > 255:
        raise MedcontourError(
            "The image has values outside 0 to 255, which a network for photographs does not "
            "take; save it with 8 bits."
        )
    return Image.fromarray(plane.astype(np.uint8))


def placed(down: float, across: float, top: float, left: float) -> npt.NDArray[np.float64]:
    """Give `Prepared.index_from_input` of an image resized, then cut.

    Parameters
    ----------
    down, across
        Source pixels a pixel of the resized image, along rows and columns.
    top, left
        Where the input begins in the resized image.
    """
    return np.array(
        [
            [0.0, across, (left + 0.5) * across - 0.5],
            [down, 0.0, (top + 0.5) * down - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )
