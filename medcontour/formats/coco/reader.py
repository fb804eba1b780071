"""Reads COCO JSON: polygons as they are, run lengths as masks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content, read_json
from medcontour.formats.labels import KINDS
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited, EditedShape, LeftOut, left_out_notes
from medcontour.scan import Scan
from medcontour.scan.claims import check_room

__all__ = ["decode_rle", "read", "reader", "recognises"]

LONGEST = 60
"""Bits of a run length."""

MOST_MASKS = 10_000
"""Masks of one file. Nobody draws as many on one scan, and each is held against what was suggested.
"""

_NAMED = re.compile(r"(?:^|[/\\])slice_(\d+)\.\w+$")


def recognises(content: Content) -> bool:
    """Whether a file is JSON with annotations."""
    return "annotations" in content.document


def read(path: Path, scan: Scan) -> Edited:
    """Read COCO annotations: polygons as they are, run lengths as masks.

    COCO counts from the corner of the first pixel: its x is the column index + 0.5. The slice of
    an image is its key ``slice``; without one, the number in a name like ``slice_0007.png``, the
    image of a scan of one slice, or the place in the list where there are as many images as
    slices.

    Raises
    ------
    MedcontourError
        When the images are not the scan's slices, or there are more than `MOST_MASKS` masks.
    """
    document = read_json(path)
    categories = {c["id"]: str(c.get("name", "")) for c in document.get("categories", [])}
    slices = _slices(document.get("images", []), scan, path)
    left_out: list[LeftOut] = []
    shapes: list[EditedShape] = []
    annotations = document.get("annotations", [])
    masks = sum(isinstance(item.get("segmentation"), dict) for item in annotations)
    check_room(masks * scan.rows * scan.columns, 4, str(path), "keep fewer masks")
    if masks > MOST_MASKS:
        raise MedcontourError(
            f"{path} holds {masks} masks, and at most {MOST_MASKS} are read; keep those of this "
            "scan."
        )
    for item in annotations:
        k = slices.get(item.get("image_id"))
        name, number = categories.get(item.get("category_id"), ""), item.get("category_id")
        kind = item.get("kind") if item.get("kind") in KINDS else None
        if isinstance(item.get("finding"), int):
            plain = name.removesuffix(" evidence")
            name = f"{plain} {item['finding']}{name.removeprefix(plain)}"
        drawn = item.get("segmentation")
        if k is None:
            left_out.append(LeftOut("annotations of an image that is not listed", name, number))
            continue
        if isinstance(drawn, dict):
            if list(drawn["size"]) != [scan.rows, scan.columns]:
                raise MedcontourError(f"{path} holds a mask of another size than its image.")
            mask = decode_rle(drawn["counts"], scan.rows, scan.columns)
            shapes.append(EditedShape(name, number, k, values=mask.astype(np.float32), kind=kind))
            continue
        polygons = [np.asarray(flat, dtype=np.float64).reshape(-1, 2) for flat in drawn or []]
        if not polygons or any(len(points) < 3 for points in polygons):
            left_out.append(LeftOut("annotations without a polygon or a mask", name, number, (k,)))
        for points in polygons:
            if len(points) >= 3:
                corners = scan.to_lps(points - 0.5, k)
                shapes.append(EditedShape(name, number, k, corners, kind=kind))
    notes = left_out_notes(left_out)
    return Edited("COCO JSON", tuple(shapes), notes, tuple(left_out), numbered="categories")


def _slices(images: list[dict[str, Any]], scan: Scan, path: Path) -> dict[Any, int]:
    """The slice of each image, by the image's id."""
    slices: dict[Any, int] = {}
    for place, image in enumerate(images):
        size = (image.get("height", scan.rows), image.get("width", scan.columns))
        named = _NAMED.search(str(image.get("file_name", "")))
        k = image.get("slice", int(named[1]) if named else None)
        if k is None and len(images) == scan.slices:
            k = place
        if size != (scan.rows, scan.columns) or k is None or not 0 <= int(k) < scan.slices:
            raise MedcontourError(
                f"The images of {path} are not the slices of the scan ({scan.slices} of "
                f"{scan.rows} x {scan.columns}); give the annotations that were drawn on it."
            )
        slices[image["id"]] = int(k)
    return slices


def decode_rle(counts: list[int] | str | bytes, rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """COCO's run lengths, along columns, as a (rows, columns) mask.

    A text holds them as signed numbers in groups of five bits, from the third on as differences
    to the last but one.

    Examples
    --------
    >>> decode_rle([1, 2, 1], 2, 2).tolist()
    [[False, True], [True, False]]
    """
    runs = list(counts) if isinstance(counts, list) else _runs(counts)
    if sum(runs) != rows * columns or min(runs, default=0) < 0:
        raise ValueError("the run lengths do not fill the picture")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(columns, rows).T


def _runs(text: str | bytes) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for byte in text.encode() if isinstance(text, str) else text:
        group = byte - 48
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            if shift > LONGEST:
                raise ValueError("a run length without end")
            continue
        if group & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


reader = Reader("coco", "a COCO JSON", recognises, read)
