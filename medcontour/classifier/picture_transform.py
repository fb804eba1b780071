"""Transforms of torchvision or timm, and where they put each pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from medcontour.classifier.photo_input import as_bytes, placed
from medcontour.classifier.protocol import Prepared
from medcontour.classifier.reasons import reason
from medcontour.errors import MedcontourError

__all__ = ["PictureTransform", "is_picture_transform"]

_LIBRARIES = ("torchvision.", "timm.")
_WAVES, _SHORTEST = (7, 5), 16
"""Waves down the image and across it, at most, by which what was found is checked, and their
shortest length in pixels."""

_PART, _MOST_PARTS = 16, 8
"""Pixels that one ramp is for, at least, and the most ramps along an axis."""

_FEWEST = 16
_KEPT = 0.1
"""Pixels by which a resizing must show over all that is seen, to be taken for one."""

_RIPPLE = 0.012
"""Mean difference of the waves (of 0..1) that 8 bits and resampling leave."""


def is_picture_transform(preprocessing: Any) -> bool:
    """Whether it is a transform of torchvision or timm, or states a mean and a spread as theirs."""
    stated = hasattr(preprocessing, "mean") and hasattr(preprocessing, "std")
    return stated or type(preprocessing).__module__.startswith(_LIBRARIES)


@dataclass(frozen=True)
class _Axis:
    """One axis of the input: which axis of the image, how long that became, where it begins."""

    source: int
    length: int
    start: int
    flipped: bool


class PictureTransform:
    """Transforms that take a picture (PIL), as torchvision's and timm's do.

    Where its pixels went is found by giving it ramps: each axis of what it gives must be one axis
    of the image, resized to a whole number of pixels, cut or padded, perhaps turned round. What is
    found is then checked with waves. Transforms that do something else with the pixels' places,
    or draw at random, are refused.

    Parameters
    ----------
    transform
        From a PIL image in RGB to (channels, height, width); where it does not take that, from a
        tensor (3, rows, columns) of values from 0 to 1.

    Examples
    --------
    >>> def half(picture: Image.Image) -> Tensor:
    ...     small = picture.resize((picture.width // 2, picture.height // 2))
    ...     return torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)
    >>> prepared = PictureTransform(half)(np.zeros((20, 40), np.float32), (1.0, 1.0))
    >>> prepared.index_from_input.tolist()
    [[0.0, 2.0, 0.5], [2.0, 0.0, 0.5], [0.0, 0.0, 1.0]]
    """

    def __init__(self, transform: Callable[[Any], Any]) -> None:
        self._transform = transform
        self._takes_tensors = False
        self._places: dict[tuple[int, int], npt.NDArray[np.float64]] = {}

    def __call__(
        self, plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float] = (1.0, 1.0)
    ) -> Prepared:
        """Prepare (rows, columns) or (rows, columns, 3) values from 0 to 255.

        Raises
        ------
        MedcontourError
            For other values, or transforms that do not say where the pixels went.
        """
        tensor = self._apply(as_bytes(plane).convert("RGB"))
        size = (plane.shape[0], plane.shape[1])
        if size not in self._places:
            self._places[size] = self._place(size, tuple(tensor.shape[1:]))
        return Prepared(tensor, self._places[size])

    def _apply(self, picture: Image.Image) -> Tensor:
        try:
            tensor = self._called(picture)
        except Exception as error:  # a transform is anybody's code
            raise MedcontourError(
                f"The preprocessing {_name(self._transform)} fails on a picture of "
                f"{picture.width} x {picture.height} pixels ({reason(error)}); give one that "
                "takes a PIL image in RGB."
            ) from error
        if tensor.ndim != 3 or not bool(tensor.isfinite().all()):
            raise MedcontourError(
                f"The preprocessing {_name(self._transform)} gives an array of shape "
                f"{tuple(tensor.shape)}, not (channels, height, width) of finite values; let it "
                "end with ToTensor and Normalize."
            )
        return tensor

    def _called(self, picture: Image.Image) -> Tensor:
        if not self._takes_tensors:
            try:
                return torch.as_tensor(self._transform(picture)).float()
            except Exception:  # transforms without ToTensor say nothing one could ask them
                self._transform(_tensor(picture))
                self._takes_tensors = True
        return torch.as_tensor(self._transform(_tensor(picture))).float()

    def _levels(self, pattern: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give (height, width): what a pattern from 0 to 1 becomes, on that same scale."""
        grey = np.rint(255 * pattern).astype(np.uint8)
        made = self._apply(Image.fromarray(grey).convert("RGB"))[0].double().numpy()
        return np.asarray((made - self._black) / (self._white - self._black))

    def _place(self, size: tuple[int, int], given: tuple[int, ...]) -> npt.NDArray[np.float64]:
        black, white = (
            self._apply(as_bytes(np.full(size, level, np.float32)).convert("RGB"))[0].double()
            for level in (0.0, 255.0)
        )
        self._black, self._white = float(black.min()), float(white.max())
        if self._white <= self._black or tuple(black.shape) != given:
            raise self._unclear()
        shown = ((white - black) > 0.9 * (self._white - self._black)).numpy()  # not padding
        found = []
        for along in (0, 1):  # over all of it, then over what is seen of it
            places = self._coordinates(along, size, shown, (0, size[along] - 1))
            if np.isfinite(places).any():
                seen = (float(np.nanmin(places)), float(np.nanmax(places)))
                places = self._coordinates(along, size, shown, seen)
            found.append(places)
        axes = [self._axis(output, found, size) for output in (0, 1)]
        if {axis.source for axis in axes} != {0, 1}:
            raise self._unclear()
        index = np.zeros((3, 3))
        index[2, 2] = 1.0
        for output, axis in enumerate(axes):
            step = size[axis.source] / axis.length
            scale, offset = placed(step, step, axis.start, axis.start)[1, [0, 2]]
            if axis.flipped:
                scale, offset = -scale, size[axis.source] - 1 - offset
            index[1 - axis.source, output] = scale
            index[1 - axis.source, 2] = offset
        self._check(index, shown, size)
        return index

    def _coordinates(
        self,
        axis: int,
        size: tuple[int, int],
        shown: npt.NDArray[np.bool_],
        seen: tuple[float, float],
    ) -> npt.NDArray[np.float64]:
        """Give (height, width): where along an axis of the image each pixel is from, or NaN.

        A picture has 256 levels: several ramps, each over a part of what is seen of the axis,
        tell places finely.
        """
        whole = seen[1] - seen[0] + 1
        parts = int(np.clip(min(whole, *shown.shape) // _PART, 1, _MOST_PARTS))
        place = np.mgrid[: size[0], : size[1]][axis]
        length = 1.5 * whole / parts
        found = np.full(shown.shape, np.nan)
        for part in range(parts):
            begin = seen[0] + (part + 0.5) * whole / parts - 0.5 - length / 2
            level = self._levels(np.clip((place - begin) / length, 0, 1))
            at = begin + level * length
            # Where a ramp ends, and at the edges of the image, interpolation rounds it off.
            clear = shown & (abs(level - 0.5) < 0.4) & (at > 1) & (at < size[axis] - 2)
            found[clear] = at[clear]
        return found

    def _axis(
        self, output: int, found: list[npt.NDArray[np.float64]], size: tuple[int, int]
    ) -> _Axis:
        """Find what one axis of the input is, from where its pixels are from."""
        fits = []
        for places in found:
            known = np.isfinite(places)
            design = np.column_stack([*np.nonzero(known), np.ones(known.sum())])
            if len(design) < _FEWEST or min(np.ptp(design[:, :2], axis=0)) < 3:
                raise self._unclear()
            fits.append(np.linalg.lstsq(design, places[known], rcond=None)[0])
        shares = [abs(fit[output]) / max(abs(fit[:2]).sum(), 1e-9) for fit in fits]
        source = int(np.argmax(shares))
        slope, begin = fits[source][output], fits[source][2]
        if shares[source] < 0.99 or abs(slope) < 1e-6:
            raise self._unclear()
        seen = np.ptp(np.nonzero(np.isfinite(found[source]))[output])
        kept = abs(abs(slope) - 1) * seen < _KEPT
        length = size[source] if kept else round(size[source] / abs(slope))
        step = size[source] / length
        first = begin if slope > 0 else size[source] - 1 - begin
        return _Axis(source, length, round((first + 0.5) / step - 0.5), slope < 0)

    def _check(
        self, index: npt.NDArray[np.float64], shown: npt.NDArray[np.bool_], size: tuple[int, int]
    ) -> None:
        """Hold waves that went through the transforms against waves at the places found."""
        down, across = (
            min(most, max(length // _SHORTEST, 1)) / length
            for most, length in zip(_WAVES, size, strict=True)
        )

        def waves(column: Any, row: Any) -> npt.NDArray[np.float64]:
            phases = across * (column + 0.5), down * (row + 0.5)
            return np.asarray(0.5 + 0.2 * sum(np.sin(2 * np.pi * phase) for phase in phases))

        row, column = np.mgrid[: size[0], : size[1]]
        made = [self._levels(waves(column, row)) for _ in range(2)]
        height, width = np.mgrid[: shown.shape[0], : shown.shape[1]]
        at = np.stack([height, width, np.ones_like(height)], -1) @ index.T
        differs = np.abs(made[0] - waves(at[..., 0], at[..., 1]))[shown]
        if not np.array_equal(made[0], made[1]) or differs.mean() > _RIPPLE:
            raise self._unclear()

    def _unclear(self) -> MedcontourError:
        return MedcontourError(
            f"Where the preprocessing {_name(self._transform)} puts the pixels of a picture is "
            "not clear (it draws at random, turns them by an angle, or goes by what the picture "
            "shows); give one that resizes, cuts, pads, flips and normalises alone, as for "
            "validation."
        )


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)


def _name(transform: Any) -> str:
    return str(getattr(transform, "__name__", type(transform).__name__))
