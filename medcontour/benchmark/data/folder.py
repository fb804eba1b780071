"""A folder of images with masks, boxes or polygons of any kind."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from skimage.draw import polygon2mask

from medcontour.benchmark.data.dataset import (
    BoolArray,
    Boxes,
    Dataset,
    Item,
    Masks,
    Truth,
    image_files,
)
from medcontour.errors import MedcontourError
from medcontour.limits import read_text
from medcontour.privacy import could_identify

__all__ = ["Polygon", "read_folder"]

CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Polygon:
    """What a polygon encloses; (x, y) corners in pixels, pixel middles at whole numbers."""

    corners: tuple[tuple[float, float], ...]

    def __call__(self, shape: tuple[int, int]) -> BoolArray:
        """Fill it."""
        rows_first = np.asarray(self.corners)[:, ::-1]
        return np.asarray(polygon2mask(shape, rows_first), dtype=bool)


def read_folder(folder: Path, target: str | None = None) -> Dataset:
    """Read ``images/`` and what says where the object is.

    Parameters
    ----------
    folder
        Holds ``images/`` and one of: ``masks/`` with pictures of the images' names (``NAME.png``,
        or several as ``NAME_mask.png``, ``NAME_mask_1.png``; what is not 0 is the object);
        ``boxes.csv`` with the columns file, xmin, ymin, xmax, ymax, a row a box; ``boxes.json``,
        an object of file names and lists of such boxes; a ``labels.csv`` with a column
        ``polygon_xy`` (a list of corners) or ``bbox`` (a box). A ``labels.csv`` with the columns
        file and label also says which class an image shows, by name or index; columns row_mm
        and column_mm say the millimetres between its rows and between its columns. An image whose
        name could be a person's is called by its number in tables and records.
    target
        The class to explain in every image, by name or index, whatever labels there are.

    Raises
    ------
    MedcontourError
        When images or places are missing.
    """
    if not (folder / "images").is_dir():
        raise MedcontourError(
            f"{folder} holds no folder images; put the images there, and masks beside it in "
            "masks, or a boxes.csv."
        )
    files = {path.stem: path for path in image_files(folder / "images")}
    labels = _rows(folder / "labels.csv")
    places = _places(folder, labels)
    called = {
        f"image {number}" if could_identify(stem) else stem: stem
        for number, stem in enumerate(files, 1)
    }
    names = tuple(name for name, stem in called.items() if stem in places)
    if not names:
        raise MedcontourError(
            f"{folder} says of none of its {len(files)} images where the object is; give masks/, "
            "boxes.csv, boxes.json, or a labels.csv with polygon_xy or bbox."
        )

    def item(name: str) -> Item:
        stem = called.get(name, name)  # who knows a file's own name may use it
        label = target if target is not None else labels.get(stem, {}).get("label")
        classes = () if not label else (int(label) if label.isdecimal() else label,)
        spacing = _spacing(labels.get(stem, {}), folder / "labels.csv")
        return Item(name, files[stem], places[stem](), classes, spacing=spacing)

    return Dataset("folder", names, item)


def _places(folder: Path, labels: dict[str, dict[str, str]]) -> dict[str, Callable[[], Truth]]:
    if (folder / "masks").is_dir():
        masks: dict[str, list[Path]] = {}
        for path in image_files(folder / "masks"):
            masks.setdefault(path.stem.split("_mask")[0], []).append(path)
        return {name: lambda some=some: Masks(tuple(some)) for name, some in masks.items()}  # type: ignore[misc]
    boxes: dict[str, list[Any]] = {}
    if (file := folder / "boxes.csv").is_file():
        with file.open(newline="", encoding="utf-8") as table:
            for row in csv.DictReader(table):
                stem = Path(row.get("file") or "").stem
                boxes.setdefault(stem, []).append([row.get(corner) for corner in CORNERS])
    elif (file := folder / "boxes.json").is_file():
        try:
            content = json.loads(read_text(file))
            boxes = {Path(name).stem: list(some) for name, some in content.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise MedcontourError(
                f"{file} is no object of file names and lists of boxes; mend it."
            ) from error
    if boxes:
        return {name: lambda some=some: _boxes(some, file) for name, some in boxes.items()}  # type: ignore[misc]
    file = folder / "labels.csv"
    found: dict[str, Callable[[], Truth]] = {}
    for name, row in labels.items():
        if text := row.get("polygon_xy"):
            found[name] = lambda text=text: Polygon(_corners(text, file))  # type: ignore[misc]
        elif text := row.get("bbox"):
            found[name] = lambda text=text: _boxes([_parsed(text, file)], file)  # type: ignore[misc]
    return found


def _rows(file: Path) -> dict[str, dict[str, str]]:
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as table:
        return {Path(row.get("file") or "").stem: row for row in csv.DictReader(table)}


def _spacing(row: dict[str, str], file: Path) -> tuple[float, float] | None:
    told = [row.get("row_mm"), row.get("column_mm")]
    if not any(told):
        return None
    try:
        between_rows, between_columns = (float(text or "") for text in told)
    except ValueError:
        between_rows = between_columns = 0.0
    if not (0 < between_rows < math.inf and 0 < between_columns < math.inf):
        raise MedcontourError(
            f"{file} tells a pixel spacing that is not two positive numbers (row_mm, column_mm); "
            "mend it, or leave both out for lengths in pixels."
        )
    return between_rows, between_columns


def _boxes(some: list[Any], file: Path) -> Boxes:
    try:
        corners = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in some)
    except (ValueError, TypeError) as error:
        raise MedcontourError(
            f"{file} has a box that is not four numbers ({', '.join(CORNERS)}); mend it."
        ) from error
    return Boxes(corners)


def _corners(text: str, file: Path) -> tuple[tuple[float, float], ...]:
    try:
        return tuple((float(x), float(y)) for x, y in _parsed(text, file))
    except (ValueError, TypeError) as error:
        raise MedcontourError(
            f"{file} has a polygon that is not a list of (x, y) corners; mend it."
        ) from error


def _parsed(text: str, file: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise MedcontourError(f"{file} has a cell that is no JSON list; mend it.") from error
