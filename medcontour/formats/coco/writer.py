"""COCO JSON: every contour as a polygon in pixels, for tools that know no patient space."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.files import replacing
from medcontour.formats.dicom.header import series_description
from medcontour.formats.labels import KINDS, Kind, labels
from medcontour.privacy import could_identify
from medcontour.results.exporter import Exporter, NothingToWrite, is_picture
from medcontour.results.model import Suggestion
from medcontour.results.parts import PlacedContour
from medcontour.scan.scan import Scan

__all__ = ["exporter", "file_name", "write"]


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``coco.json``: images, categories and annotations as COCO's instances have them.

    An image is a slice that holds a contour, in pixels of `Scan.voxels`; a category is a class.
    Beside COCO's own keys an image has ``slice`` (from 0) and an annotation ``kind``
    (``"outline"`` or ``"evidence"``), ``score`` and ``finding``, the finding's number.

    Evidence has categories of its own, ``NAME evidence``, behind those of the outlines, so that
    nobody trains on it for an outline.

    COCO's origin is the *corner* of the first pixel and its axes run along columns, then rows: a
    point at index (column, row) is written as ``x = column + 0.5, y = row + 0.5``. ``area`` is
    the polygon's, in square pixels. The same suggestion gives the same bytes.

    Raises
    ------
    NothingToWrite
        When there is no contour.
    """
    every = labels(suggestion)
    categories = list(dict.fromkeys(label.category for label in every))
    contours = [
        (label, part.score, contour)
        for label in every
        for kind in KINDS
        for part in label.finding.slices
        for contour in part.contours(kind)
    ]
    if not contours:
        raise NothingToWrite("There is no contour to write as coco.")
    slices = sorted({contour.slice for _, _, contour in contours})
    number = {k: index for index, k in enumerate(slices, start=1)}
    document = {
        "info": {
            "description": series_description(suggestion),
            "version": version("medcontour"),
        },
        "images": [
            {
                "id": number[k],
                "width": scan.columns,
                "height": scan.rows,
                "file_name": file_name(scan, k),
                "slice": k,
            }
            for k in slices
        ],
        "categories": [
            {
                "id": _category(name, kind, categories),
                "name": name if kind == "outline" else f"{name} evidence",
                "supercategory": "",
            }
            for kind in KINDS
            for name in categories
            if any(c.kind == kind and label.category == name for label, _, c in contours)
        ],
        "annotations": [
            {
                "id": index,
                "image_id": number[contour.slice],
                "category_id": _category(label.category, contour.kind, categories),
                **_shape(contour, scan),
                "iscrowd": 0,
                "kind": contour.kind,
                "score": score,
                **({} if label.finding.number is None else {"finding": label.finding.number}),
            }
            for index, (label, score, contour) in enumerate(contours, start=1)
        ],
    }
    with replacing(path) as temporary:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def file_name(scan: Scan, k: int) -> str:
    """Name the picture of slice `k`: the file's own name where the scan is a picture.

    Names that could be a patient's, a DICOM file's above all, are not: ``slice_0007.png``.
    """
    own = Path(scan.source).name
    return own if is_picture(scan) and not could_identify(own) else f"slice_{k:04d}.png"


def _category(name: str, kind: Kind, categories: list[str]) -> int:
    """A category's number, from 1: outlines' first, those of evidence behind all of them."""
    return categories.index(name) + 1 + (len(categories) if kind == "evidence" else 0)


def _shape(contour: PlacedContour, scan: Scan) -> dict[str, Any]:
    """Give ``segmentation``, ``area`` and ``bbox``."""
    points = scan.to_index(contour.polygon_lps_mm, contour.slice) + 0.5
    corner, opposite = points.min(axis=0), points.max(axis=0)
    return {
        "segmentation": [points.ravel().tolist()],
        "area": _area(points),
        "bbox": [*corner.tolist(), *(opposite - corner).tolist()],
    }


def _area(points: npt.NDArray[np.float64]) -> float:
    """Area of a simple polygon (n, 2): half its summed cross products."""
    x, y = (points - points[0]).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _refuses(scan: Scan) -> str | None:
    return None


exporter = Exporter("coco", "coco.json", write, _refuses, by_default=is_picture)
