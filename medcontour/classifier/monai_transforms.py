"""A plane or a volume through a classifier's own transforms, and back to the source's pixels.

MONAI tracks where pixels go in the affine of its ``MetaTensor``. The plane enters the transforms
as ``LoadImage`` would have given it, with an affine of our own; what the transforms made of that
affine says where each pixel of the result lies in the source plane. A volume enters with the affine
of its file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor, PILReader
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

from medcontour.classifier.monai_places import Matrix, correct, matrix, placed, step_name
from medcontour.classifier.protocol import Prepared
from medcontour.classifier.reasons import reason
from medcontour.errors import MedcontourError

__all__ = ["MonaiTransforms", "default_transforms"]

_MOVES_CHANNELS = (EnsureChannelFirst, EnsureChannelFirstd, Transpose, Transposed)

_SWAP: Matrix = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def default_transforms(axes: int = 2) -> Callable[[Any], Any]:
    """Give the transforms of a network that comes without any.

    Channels first, then rows, then columns, as PyTorch's own networks take images; of volumes
    (`axes` 3) slices, then rows, then columns, in the order of the file. Intensities scaled to 0..1
    over the plane or volume; no resizing.
    """
    order = (0, *range(axes, 0, -1))
    transforms: Callable[[Any], Any] = Compose(
        [EnsureChannelFirst(), Transpose(order), ScaleIntensity()]
    )
    return transforms


class MonaiTransforms:
    """MONAI transforms, or any callable, applied to planes or volumes.

    The transforms up to and including ``LoadImage(d)`` are left out: the plane is given to the
    rest as ``LoadImage`` gives images, a ``MetaTensor`` (columns, rows) or (columns, rows, 3)
    with its pixel spacing in the affine and ``original_channel_dim`` set. Dictionary transforms
    get it under the key that ``LoadImaged`` names; their other keys may be missing.

    Transforms that move pixels must be MONAI's own spatial transforms (those that can be lazy:
    resize, crop, pad, flip, rotate, zoom, spacing, orientation, affine), ``Transpose(d)``, or write
    the ``MetaTensor``'s affine themselves. Any other step must leave each pixel in its place; one
    that changes the plane's shape is refused when it runs.

    The affine of a plane knows spacing and not orientation: ``Orientation(d)`` sees a plane whose
    columns run towards R and whose rows run towards A. A volume has its file's affine.

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
        _check_finite(plane, "plane")
        image, index_from_array = (
            _as_patch(plane, pixel_spacing)
            if channels_first
            else self._as_loaded(plane, pixel_spacing)
        )
        return self._prepared(image, index_from_array)

    def volume(self, voxels: npt.NDArray[np.float32], affine_ras: Matrix) -> Prepared:
        """Make a network's input of a volume.

        Parameters
        ----------
        voxels
            (i, j, k), as the file and ``LoadImage`` have them.
        affine_ras
            (4, 4) index (i, j, k) to RAS mm.

        Raises
        ------
        MedcontourError
            As for a plane.
        """
        _check_finite(voxels, "volume")
        if self._rows_first:
            raise MedcontourError(
                "The preprocessing reads volumes with their axes the other way round "
                "(reverse_indexing) than its affine says; let the reader leave them as they are."
            )
        array = np.asarray(voxels, dtype=np.float32)
        image = _image(array, np.asarray(affine_ras, np.float64), float("nan"), array.shape)
        return self._prepared(self._with_channel(image), np.eye(4))

    def _prepared(self, image: Any, index_from_array: Matrix) -> Prepared:
        """Run the transforms and say where each pixel of the result lies in the source."""
        axes = len(index_from_array) - 1
        what, made = ("plane", "height, width") if axes == 2 else ("volume", "depth, height, width")
        source = matrix(image.affine, axes)
        moved = self._run(image)
        tensor = moved.as_tensor().to(torch.float32).contiguous()
        if tensor.ndim != axes + 1:
            raise MedcontourError(
                f"The preprocessing gives an array of shape {tuple(tensor.shape)}, not (channels, "
                f"{made}); let it end with one {what}, channels first "
                "(EnsureChannelFirst)."
            )
        if not torch.isfinite(tensor).all():
            raise MedcontourError(
                f"The preprocessing turns this {what} into values that are not finite, as scaling "
                f"by the spread of a constant {what} does; leave out such {what}s or change the "
                "preprocessing."
            )
        index_from_input = index_from_array @ np.linalg.inv(source) @ matrix(moved.affine, axes)
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
        image = _image(array, _spaced(first_mm, second_mm), channel, array.shape[:2])
        return self._with_channel(image), index_from_array

    def _with_channel(self, image: Any) -> Any:
        """Give the image as a loader does that was told to put channels first."""
        return EnsureChannelFirst()(image) if self._channel_first else image

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
                        f"The preprocessing step {step_name(step)} needs channels first, but "
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
                        f"The preprocessing step {step_name(step)} fails on an image of shape "
                        f"{tuple(before.shape)} ({reason(error)}); mend the preprocessing or "
                        f"give {'planes' if len(size) == 2 else 'volumes'} that it can take."
                    ) from error
                if isinstance(step, LazyTrait) and isinstance(after, MetaTensor):
                    size = tuple(after.peek_pending_shape())
                    if not after.pending_operations and len(after.applied_operations) > done:
                        correct(after.applied_operations[-1], affine, after)
                else:
                    kept, size = placed(step, affine, before, after, size)
                    data = kept if key is None else {**data, key: kept}
            return _at(apply_pending_transforms(data, None, compose.overrides), key)


def _at(data: Any, key: str | None) -> Any:
    return data if key is None else data[key]


def _image(
    array: npt.NDArray[np.float32],
    affine_ras: Matrix,
    channel: float,
    size: tuple[int, ...],
) -> Any:
    """Give an array as MONAI's readers do."""
    affine = torch.from_numpy(affine_ras.copy())
    return MetaTensor(
        torch.from_numpy(array.copy()),
        affine=affine,
        meta={
            "original_affine": affine.clone(),
            "original_channel_dim": channel,
            "spatial_shape": np.array(size),
        },
    )


def _spaced(first_mm: float, second_mm: float) -> Matrix:
    """Give the affine of a plane, of which only the spacing of its two axes is known."""
    return np.diag([first_mm, second_mm, 1.0, 1.0])


def _check_finite(values: npt.NDArray[np.float32], what: str) -> None:
    if not np.isfinite(values).all():
        raise MedcontourError(
            f"The {what} holds nan or infinite values, which no classifier can take; replace "
            "them in the scan."
        )


def _as_patch(
    plane: npt.NDArray[np.float32], pixel_spacing: tuple[float, float]
) -> tuple[Any, Matrix]:
    """Give a plane as (channels, rows, columns), and its index to (column, row) index."""
    array = np.asarray(plane, dtype=np.float32)
    array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    row_mm, column_mm = (float(mm) for mm in pixel_spacing)
    return _image(array, _spaced(row_mm, column_mm), 0, array.shape[1:]), _SWAP


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
