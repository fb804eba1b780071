"""Masks that hold several labels in one value, taken apart where each label's part is its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage

from medcontour.edits.suggested import Painted, Suggested
from medcontour.formats.labels import KINDS
from medcontour.formats.shapes import EditedShape

__all__ = ["apart"]


def apart(
    shapes: Iterable[EditedShape], painted: Painted, suggested: Suggested
) -> Iterator[EditedShape]:
    """Give each label's part of a mask by itself, where all the parts are as suggested.

    A tool that makes one mask of a whole structure set leaves the labels' pixels as they were.
    What is not made of them exactly is given as it is.

    Parameters
    ----------
    shapes
        All shapes of the file.
    painted
        The file's masks, slice by slice.
    suggested
        What was suggested.
    """
    for shape in shapes:
        yield from (
            _parts(shape, painted, suggested) or _patches(shape, painted, suggested) or [shape]
        )


def _patches(shape: EditedShape, painted: Painted, suggested: Suggested) -> list[EditedShape]:
    """Each patch by itself of a mask that is changed and called by the class alone."""
    k, values = shape.slice, shape.values
    if values is None or not suggested.is_category(shape.name):
        return []
    hidden = painted.hidden(k, but=shape)
    if any(suggested.is_mask_of(values, key, k, hidden) for key in suggested.on_slice(k)):
        return []
    patches, count = ndimage.label(values >= 0.5)
    if count < 2:
        return []
    found = []
    for number in range(1, count + 1):
        patch = patches == number
        # Fractions beside a patch still say where its boundary lies.
        near = ndimage.binary_dilation(patch, np.ones((3, 3))) & (patch | (values < 0.5))
        found.append(replace(shape, values=np.where(near, values, np.float32(0))))
    return found


def _parts(shape: EditedShape, painted: Painted, suggested: Suggested) -> list[EditedShape]:
    """The parts, or nothing where a mask is of one label or was changed."""
    k, values = shape.slice, shape.values
    keys = suggested.on_slice(k)
    names = list(dict.fromkeys(name for name, _ in keys))
    if values is None or len(names) < 2:
        return []
    hidden = painted.hidden(k, but=shape)
    if any(suggested.is_mask_of(values, key, k, hidden) for key in keys):
        return []
    for kinds in ((suggested.editable,), KINDS):
        own = [[(name, kind) for kind in kinds if (name, kind) in keys] for name in names]
        for rule in range(len(suggested.fillings(keys[0], k))):
            areas = [
                np.any([suggested.fillings(key, k)[rule] for key in of], axis=0) for of in own if of
            ]
            parts = [np.where(area, values, np.float32(0)) for area in areas]
            parts = [part for part in parts if (part >= 0.5).any()]
            whole = parts and np.array_equal(np.max(parts, axis=0) >= 0.5, values >= 0.5)
            if whole and all(
                any(suggested.is_mask_of(part, key, k, hidden) for key in keys) for part in parts
            ):
                return [replace(shape, values=part) for part in parts]
    return []
