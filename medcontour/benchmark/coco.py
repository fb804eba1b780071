"""COCO images with their instance masks, as published and one image at a time."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medcontour.benchmark.dataset import BoolArray, Dataset, Item
from medcontour.errors import MedcontourError

__all__ = ["read_coco"]

INSTANCES = (
    "annotations/instances_val2017.json",
    "instances_val2017.json",
    "annotations/instances.json",
)
IMAGES = ("val2017", "images", ".")
CLASSES = "coco_to_imagenet.json"


def read_coco(folder: Path) -> Dataset:
    """Read COCO images with instance masks; crowds are left out.

    Parameters
    ----------
    folder
        Either ``val2017/`` and ``annotations/instances_val2017.json`` as published, which are
        read by pycocotools; or ``images/``, ``panoptic/`` and an ``instances.json`` with segment
        identifiers by image. A ``coco_to_imagenet.json`` (from the name of a COCO category to
        the indices of the ImageNet classes that mean it) makes an item of each image and
        category: those count for which the network's answer means the category. Without it the
        truth is the union of all instances, as in the paper, and the network's own answer is
        explained.

    Raises
    ------
    MedcontourError
        When something is missing or pycocotools is not installed.
    """
    if not folder.is_dir():
        raise MedcontourError(f"There is no folder {folder}; give the one that holds COCO.")
    if (folder / "panoptic").is_dir() and (folder / "instances.json").is_file():
        return _panoptic(folder)
    file = next((folder / name for name in INSTANCES if (folder / name).is_file()), None)
    if file is None:
        raise MedcontourError(
            f"{folder} holds no {INSTANCES[0]}; unpack annotations_trainval2017.zip there."
        )
    return _published(folder, file)


@dataclass(frozen=True)
class _Instances:
    """The union of some annotations."""

    annotations: tuple[int, ...]
    source: Any = field(repr=False)

    def __call__(self, shape: tuple[int, int]) -> BoolArray:
        inside = np.zeros(shape, dtype=bool)
        for number in self.annotations:
            inside |= self.source.annToMask(self.source.anns[number]).astype(bool)
        return inside


@dataclass(frozen=True)
class _Segments:
    """The union of some segments of a panoptic picture (id = R + 256 G + 65536 B)."""

    file: Path
    segments: tuple[int, ...]

    def __call__(self, shape: tuple[int, int]) -> BoolArray:
        try:
            with Image.open(self.file) as picture:
                colours = np.asarray(picture.convert("RGB"), dtype=np.int64)
        except (OSError, ValueError) as error:
            raise MedcontourError(f"{self.file} cannot be read; get it again.") from error
        return np.isin(colours @ np.array([1, 256, 65536]), self.segments)


def _published(folder: Path, file: Path) -> Dataset:
    try:
        COCO = importlib.import_module("pycocotools.coco").COCO
    except ImportError as error:
        raise MedcontourError(
            "COCO's masks are read by pycocotools, which is not installed here: run pip install "
            '"medcontour[benchmark]".'
        ) from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it takes
            source = COCO(str(file))
        pictures = {int(number): str(image["file_name"]) for number, image in source.imgs.items()}
        names = {int(number): str(kind["name"]) for number, kind in source.cats.items()}
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise MedcontourError(f"{file} holds no COCO instances; get it again.") from error
    place = next((p for p in IMAGES if any((folder / p).glob("*.jpg"))), None)
    if place is None:
        raise MedcontourError(f"{folder} holds no images; unpack val2017.zip there.")
    classes = _classes(folder)
    parts: dict[str, tuple[int, str, list[int]]] = {}
    for number, annotation in source.anns.items():
        category, image = names[annotation["category_id"]], int(annotation["image_id"])
        if annotation.get("iscrowd") or not (folder / place / pictures[image]).is_file():
            continue
        if classes and category not in classes:
            continue
        name = Path(pictures[image]).stem + (f" {category}" if classes else "")
        parts.setdefault(name, (image, category, []))[2].append(int(number))

    def item(name: str) -> Item:
        image, category, annotations = parts[name]
        return Item(
            name,
            folder / place / pictures[image],
            _Instances(tuple(annotations), source),
            classes.get(category, ()),
            must_recognise=bool(classes),
        )

    return Dataset("coco", tuple(parts), item)


def _panoptic(folder: Path) -> Dataset:
    classes = _classes(folder)
    try:
        content = json.loads((folder / "instances.json").read_text(encoding="utf-8"))
        pictures = {str(image["file"]): str(image["panoptic"]) for image in content["images"]}
        parts: dict[str, tuple[str, str, tuple[int, ...]]] = {}
        with (folder / "imagenet_pairs.csv").open(newline="", encoding="utf-8") as table:
            for row in csv.DictReader(table):
                segments = tuple(int(number) for number in row["segment_ids"].split())
                name = f"{Path(row['file']).stem} {row['category']}"
                parts[name] = (row["file"], row["category"], segments)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedcontourError(
            f"{folder} lacks an instances.json with its images, or an imagenet_pairs.csv with the "
            "columns file, category and segment_ids; complete it."
        ) from error

    def item(name: str) -> Item:
        file, category, segments = parts[name]
        truth = _Segments(folder / "panoptic" / pictures[file], segments)
        right = classes.get(category, ())
        return Item(name, folder / "images" / file, truth, right, must_recognise=True)

    return Dataset("coco", tuple(parts), item)


def _classes(folder: Path) -> dict[str, tuple[int, ...]]:
    file = folder / CLASSES
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): tuple(int(k) for k in some) for name, some in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise MedcontourError(
            f"{file} is no object of category names and lists of class indices; mend it."
        ) from error
