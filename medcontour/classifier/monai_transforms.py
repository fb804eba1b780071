"""A plane through a classifier's own transforms, and back to the source pixels.

MONAI tracks where pixels go in the affine of its ``MetaTensor``. The plane enters the transforms
as ``LoadImage`` would have given it, with an affine of our own; what the transforms made of that
affine says where each pixel of the result lies in the source plane. `Transpose`, which MONAI
leaves out of its bookkeeping, is added to it here, and the "nearest" mode of `Resize` and `Zoom`,
which MONAI places up to half a pixel off, is corrected.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor, PILReader
from monai.data.utils import to_affine_nd
from monai.transforms import (
    Compose,
    ConcatItemsd,
    EnsureChannelFirst,
    EnsureChannelFirstd,
    LoadImage,
    LoadImaged,
    MapTransform,
    ScaleIntensity,
    Transform,
    Transpose,
    Transposed,
    allow_missing_keys_mode,
    apply_transform,
)
from monai.transforms.lazy.functional import apply_pending_transforms
from monai.transforms.traits import LazyTrait
from torch import Tensor

from medcontour.classifier.protocol import Prepared
from medcontour.classifier.reasons import reason
from medcontour.errors import MedcontourError

__all__ = ["MonaiTransforms", "default_transforms"]

Matrix = npt.NDArray[np.float64]

_MOVES_CHANNELS = (EnsureChannelFirst, EnsureChannelFirstd, Transpose, Transposed)

_SWAP: Matrix = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def default_transforms() -> Callable[[Any], Any]:
    """Give the transforms of a network that comes without any.

    Channels first, then rows, then columns, as PyTorch's own networks take images; intensities
    scaled to 0..1 over the plane; no resizing.
    """
    transforms: Callable[[Any], Any] = Compose(
        [EnsureChannelFirst(), Transpose((0, 2, 1)), ScaleIntensity()]
    )
    return transforms


class MonaiTransforms:
    """MONAI transforms, or any callable, applied to planes.

    The transforms up to and including ``LoadImage(d)`` are left out: the plane is given to the
    rest as ``LoadImage`` gives images, a ``MetaTensor`` (columns, rows) or (columns, rows, 3)
    with its pixel spacing in the affine and ``original_channel_dim`` set. Dictionary transforms
    get it under the key that ``LoadImaged`` names; their other keys may be missing.

    Transforms that move pixels must be MONAI's own spatial transforms (those that can be lazy:
    resize, crop, pad, flip, rotate, zoom, spacing, orientation, affine), ``Transpose(d)``, or write
    the ``MetaTensor``'s affine themselves. Any other step must leave each pixel in its place; one
    that changes the plane's shape is refused when it runs.

    The affine knows spacing and not orientation: ``Orientation(d)`` sees a plane whose columns
    run towards R and whose rows run towards A.

    Parameters
    ----------
    transforms
        A MONAI ``Compose``, one transform, or any callable of one image.

    Attributes
    ----------
    takes_patches
        Whether they are MONAI's own, load nothing and leave channels where they are: what a data
        set gives that cuts patches of (channels, rows, columns).
    """

    def __init__(self, transforms: Callable[[Any], Any]) -> None:
        self._compose = (
            transforms.flatten() if isinstance(transforms, Compose) else Compose([transforms])
        )
        steps = list(self._compose.transforms)
        loads = [i for i, step in enumerate(steps) if isinstance(step, (LoadImage, LoadImaged))]
        load = steps[loads[-1]] if loads else None
        self._steps = steps[loads[-1] + 1 :] if loads else steps
        _refuse_several_images(load, self._steps)
        self.takes_patches = (
            bool(steps)
            and load is None
            and all(
                isinstance(step, Transform) and not isinstance(step, _MOVES_CHANNELS)
                for step in steps
            )
        )
        self._key = _image_key(load, self._steps)
        loader = load._loader if isinstance(load, LoadImaged) else load
        self._channel_first = bool(loader is not None and loader.ensure_channel_first)
        self._rows_first = loader is not None and any(map(_gives_rows_first, loader.readers))

    def __call__(
        self,
        plane: npt.NDArray[np.float32],
        pixel_spacing: tuple[float, float],
        *,
        channels_first: bool = False,
    ) -> Prepared:
        """Make a network's input of a plane.

        Parameters
        ----------
        plane
            (rows, columns) or (rows, columns, channels).
        pixel_spacing
            Millimetres between rows, then between columns.
        channels_first
            Give the transforms (channels, rows, columns), as a data set that cuts patches does,
            and not what ``LoadImage`` gives.

        Raises
        ------
        MedcontourError
            When the plane or the result holds values that are not finite, when a step fails, or
            when a step moves pixels and does not say where.
        """
        if plane.ndim not in (2, 3):
            raise MedcontourError(
                f"A plane has rows and columns, and perhaps channels, but an array of "
                f"{plane.ndim} dimensions was given; give one plane at a time."
            )
        if not np.isfinite(plane).all():
            raise MedcontourError(
                "The plane holds nan or infinite values, which no classifier can take; replace "
                "them in the scan."
            )
        image, index_from_array = (
            _as_patch(plane, pixel_spacing)
            if channels_first
            else self._as_loaded(plane, pixel_spacing)
        )
        source = _matrix(image.affine)
        moved = self._run(image)
        tensor = moved.as_tensor().to(torch.float32).contiguous()
        if tensor.ndim != 3:
            raise MedcontourError(
                f"The preprocessing gives an array of shape {tuple(tensor.shape)}, not (channels, "
                "height, width); let it end with one plane, channels first "
                "(EnsureChannelFirst)."
            )
        if not torch.isfinite(tensor).all():
            raise MedcontourError(
                "The preprocessing turns this plane into values that are not finite, as scaling "
                "by the spread of a constant plane does; leave out such planes or change the "
                "preprocessing."
            )
        index_from_input = index_from_array @ np.linalg.inv(source) @ _matrix(moved.affine)
        return Prepared(tensor, index_from_input)

    def _as_loaded(
        self, plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float]
    ) -> tuple[Any, Matrix]:
        """Give the plane as ``LoadImage`` would, and its index to (column, row) index."""
        row_mm, column_mm = (float(mm) for mm in pixel_spacing)
        array = np.asarray(plane, dtype=np.float32)
        if self._rows_first:
            first_mm, second_mm, index_from_array = row_mm, column_mm, _SWAP
        else:
            array = array.swapaxes(0, 1)
            first_mm, second_mm, index_from_array = column_mm, row_mm, np.eye(3)
        channel = -1 if array.ndim == 3 else float("nan")
        image = _image(array, (first_mm, second_mm), channel, array.shape[:2])
        return (EnsureChannelFirst()(image) if self._channel_first else image), index_from_array

    def _run(self, image: Any) -> Any:
        compose = self._compose
        size = tuple(int(length) for length in image.meta["spatial_shape"])
        key = self._key
        data: Any = image if key is None else {key: image}
        with _missing_keys_allowed(compose):
            for step in self._steps:
                before = _at(data, key)
                affine, done = before.peek_pending_affine(), len(before.applied_operations)
                if isinstance(step, LazyTrait) and tuple(before.peek_pending_shape()) != size:
                    raise MedcontourError(
                        f"The preprocessing step {_step_name(step)} needs channels first, but "
                        f"gets an image of shape {tuple(before.shape)}; put EnsureChannelFirst "
                        "before it."
                    )
                try:
                    data = apply_transform(
                        step,
                        data,
                        compose.map_items,
                        compose.unpack_items,
                        lazy=compose.lazy,
                        overrides=compose.overrides,
                    )
                    if isinstance(step, ConcatItemsd) and key in step.keys:
                        key = step.name
                    after = _at(data, key)
                except Exception as error:
                    raise MedcontourError(
                        f"The preprocessing step {_step_name(step)} fails on an image of shape "
                        f"{tuple(before.shape)} ({reason(error)}); mend the preprocessing or "
                        "give planes that it can take."
                    ) from error
                if isinstance(step, LazyTrait) and isinstance(after, MetaTensor):
                    size = tuple(after.peek_pending_shape())
                    if not after.pending_operations and len(after.applied_operations) > done:
                        _correct(after.applied_operations[-1], affine, after)
                else:
                    placed, size = _placed(step, affine, before, after, size)
                    data = placed if key is None else {**data, key: placed}
            return _at(apply_pending_transforms(data, None, compose.overrides), key)


def _at(data: Any, key: str | None) -> Any:
    return data if key is None else data[key]


def _image(
    array: npt.NDArray[np.float32],
    spacing: tuple[float, float],
    channel: float,
    size: tuple[int, ...],
) -> Any:
    """Give an array as MONAI's readers do, with the spacing of its two axes in its affine."""
    affine = torch.diag(torch.tensor([*spacing, 1.0, 1.0], dtype=torch.float64))
    return MetaTensor(
        torch.from_numpy(array.copy()),
        affine=affine,
        meta={
            "original_affine": affine.clone(),
            "original_channel_dim": channel,
            "spatial_shape": np.array(size),
        },
    )


def _as_patch(
    plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float]
) -> tuple[Any, Matrix]:
    """Give a plane as (channels, rows, columns), and its index to (column, row) index."""
    array = np.asarray(plane, dtype=np.float32)
    array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    row_mm, column_mm = (float(mm) for mm in pixel_spacing)
    return _image(array, (row_mm, column_mm), 0, array.shape[1:]), _SWAP


def _refuse_several_images(load: Any, steps: list[Any]) -> None:
    """Refuse transforms that read several images a case and make one input of them."""
    read = set(load.keys) if isinstance(load, LoadImaged) else set()
    for step in steps:
        joined = [key for key in step.keys if key in read] if isinstance(step, ConcatItemsd) else []
        if len(joined) > 1:
            named = ", ".join(f'"{key}"' for key in joined)
            raise MedcontourError(
                f"The preprocessing reads {len(joined)} images a case ({named}) and joins them, "
                "but a scan has one; give a classifier of one image."
            )


def _correct(operation: dict[str, Any], before: Tensor, image: Any) -> None:
    """Correct the affine that MONAI gives `image` where its bookkeeping is inexact.

    PyTorch's "nearest" takes source index ``floor(s i)`` for output index i, on average
    ``s i - (q - 1) / 2q`` where s = p / q; MONAI writes ``s i + (s - 1) / 2`` as for the other
    modes. `before` is the affine before the operation.
    """
    kind, settings = operation["class"], operation["extra_info"]
    if kind == "Affine" and settings.get("align_corners") is True:
        raise MedcontourError(
            "The preprocessing step Affine with align_corners=True does not say exactly where "
            "its pixels went; set align_corners to False."
        )
    if kind in ("Resize", "Zoom") and settings["mode"] == "nearest":
        moved = torch.linalg.inv(before) @ image.affine
        shift = torch.eye(len(before), dtype=before.dtype)
        for axis in range(2):
            scale = float(moved[axis, axis])
            period = Fraction(scale).limit_denominator(2**15).denominator
            shift[axis, -1] = (1 / period - scale) / 2
        image.affine = before @ shift @ moved


def _placed(
    step: Callable[[Any], Any], affine: Tensor, before: Any, after: Any, size: tuple[int, ...]
) -> tuple[Any, tuple[int, ...]]:
    """Keep the affine through a step that does not write it itself, or refuse the step.

    `affine` and `size` are the plane's before the step; its size after it is returned as well.
    """
    known = (affine, torch.eye(len(affine), dtype=affine.dtype))  # eye: made anew, so lost
    if isinstance(after, MetaTensor) and not any(torch.equal(after.affine, a) for a in known):
        return after, tuple(after.shape[1:])
    tensor = torch.as_tensor(after) if isinstance(after, (np.ndarray, Tensor)) else None
    shape = () if tensor is None else tuple(tensor.shape)
    if isinstance(step, (Transpose, Transposed)):
        transpose = step.transform if isinstance(step, Transposed) else step
        indices = transpose.indices or range(before.ndim)[::-1]
        first = 1 if before.ndim == 3 and tuple(before.shape[1:]) == size else 0
        axes = [axis % before.ndim for axis in indices]
        plane_axes = [axis for axis in axes if first <= axis < first + 2]
        if plane_axes[0] > plane_axes[1]:
            size = size[::-1]
            swap = torch.eye(len(affine), dtype=affine.dtype)
            swap[:2, :2] = swap[:2, :2].flip(0)
            affine = affine @ swap
    if size not in (shape, shape[1:], shape[:-1]):
        raise MedcontourError(
            f"The preprocessing step {_step_name(step)} changes the plane from {size} to an array "
            f"of shape {shape} without saying where its pixels went; use one of MONAI's spatial "
            "transforms (Resize, CenterSpatialCrop, SpatialPad, ...) instead."
        )
    meta = dict(after.meta if isinstance(after, MetaTensor) else before.meta)
    meta.pop("affine")
    return MetaTensor(tensor, affine=affine, meta=meta), size


def _matrix(affine: Tensor) -> Matrix:
    """Give the (3, 3) part of an affine that moves the plane's two axes."""
    matrix: Matrix = to_affine_nd(2, affine.detach().cpu().numpy().astype(np.float64))
    return matrix


def _image_key(load: Any, steps: list[Any]) -> str | None:
    """Name the image's key; None where the transforms take arrays."""
    named = load if isinstance(load, LoadImaged) else None
    mapped = named or next((step for step in steps if isinstance(step, MapTransform)), None)
    if mapped is None:
        return None
    return "image" if "image" in mapped.keys else str(mapped.keys[0])


def _gives_rows_first(reader: Any) -> bool:
    """Say whether a reader was told to turn around its axes, which are columns first else."""
    reverse = getattr(reader, "reverse_indexing", None)
    return reverse is not None and bool(reverse) != isinstance(reader, PILReader)


def _missing_keys_allowed(compose: Any) -> AbstractContextManager[None]:
    if not any(isinstance(step, MapTransform) for step in compose.transforms):
        return nullcontext()
    allowed: AbstractContextManager[None] = allow_missing_keys_mode(compose)
    return allowed


def _step_name(step: Any) -> str:
    return getattr(step, "__name__", type(step).__name__)
