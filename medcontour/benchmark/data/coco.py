"""COCO images with their instance masks, as published and one image at a time."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medcontour.benchmark.data.dataset import BoolArray, Dataset, Item, Truth
from medcontour.errors import MedcontourError
from medcontour.limits import read_text
from medcontour.scan.claims import opened_picture
from medcontour.scan.quiet import muted

__all__ = ["read_coco"]

INSTANCES = (
    "annotations/instances_val2017.json",
    "instances_val2017.json",
    "annotations/instances.json",
)
IMAGES = ("val2017", "images", ".")

Classes = dict[str, tuple[int, ...]]
"""Of a network, by index, that mean a COCO category, by name."""


def read_coco(folder: Path, categories: Path | None = None) -> Dataset:
    """Read COCO images with instance masks; crowds are left out.

    Parameters
    ----------
    folder
        Either ``val2017/`` and ``annotations/instances_val2017.json`` as published, which are
        read by pycocotools; or ``images/``, ``panoptic/`` and an ``instances.json`` with the
        segments of each image.
    categories
        None: the truth is the union of all instances, as in the paper, and the class that the
        network scores highest is explained. A JSON file that says which of the network's classes
        (by index) mean a COCO category (by name), as ``{"zebra": [340]}``: each image and category
        in it is an item, and those count for which the network's class means the category.

    Raises
    ------
    MedcontourError
        When something is missing or pycocotools is not installed.
    """
    if not folder.is_dir():
        raise MedcontourError(f"There is no folder {folder}; give the one that holds COCO.")
    classes = None if categories is None else _classes(categories)
    if (folder / "panoptic").is_dir() and (folder / "instances.json").is_file():
        return _panoptic(folder, classes)
    file = next((folder / name for name in INSTANCES if (folder / name).is_file()), None)
    if file is None:
        raise MedcontourError(
            f"{folder} holds no {INSTANCES[0]}; unpack annotations_trainval2017.zip there."
        )
    return _published(folder, file, classes)


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
            with muted(), opened_picture(self.file) as picture:
                colours = np.asarray(picture.convert("RGB"), dtype=np.int64)
        except (OSError, ValueError) as error:
            raise MedcontourError(f"{self.file} cannot be read; get it again.") from error
        return np.isin(colours @ np.array([1, 256, 65536]), self.segments)


def _published(folder: Path, file: Path, classes: Classes | None) -> Dataset:
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
    found = _Found(classes)
    for number, annotation in source.anns.items():
        picture = pictures[int(annotation["image_id"])]
        if not annotation.get("iscrowd") and (folder / place / picture).is_file():
            found.add(folder / place / picture, names[annotation["category_id"]], int(number))
    return found.dataset(lambda _, numbers: _Instances(numbers, source))


def _panoptic(folder: Path, classes: Classes | None) -> Dataset:
    found = _Found(classes)
    pictures = {}
    try:
        content = json.loads(read_text(folder / "instances.json"))
        for image in content["images"]:
            file = folder / "images" / str(image["file"])
            pictures[file] = folder / "panoptic" / str(image["panoptic"])
            for segment in image["segments"]:
                if segment["isthing"] and not segment["iscrowd"]:
                    found.add(file, str(segment["category"]), int(segment["id"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedcontourError(
            f"{folder / 'instances.json'} does not list images with file, panoptic and segments "
            "(id, category, isthing, iscrowd); get it again."
        ) from error
    return found.dataset(lambda file, numbers: _Segments(pictures[file], numbers))


class _Found:
    """Instances by image, or by image and category where categories are known."""

    def __init__(self, classes: Classes | None) -> None:
        self.classes = classes
        self.parts: dict[str, tuple[Path, str, list[int]]] = {}

    def add(self, file: Path, category: str, number: int) -> None:
        """Add an instance, unless its category is none of the wanted ones."""
        if self.classes is None:
            name = file.stem
        elif category in self.classes:
            name = f"{file.stem} {category}"
        else:
            return
        self.parts.setdefault(name, (file, category, []))[2].append(number)

    def dataset(self, truth: Callable[[Path, tuple[int, ...]], Truth]) -> Dataset:
        """Give what is there; `truth` of an image file and its instances' numbers."""

        def item(name: str) -> Item:
            file, category, numbers = self.parts[name]
            right = () if self.classes is None else self.classes[category]
            known = self.classes is not None
            return Item(name, file, truth(file, tuple(numbers)), right, must_recognise=known)

        return Dataset("coco", tuple(self.parts), item)


def _classes(file: Path) -> Classes:
    try:
        content = json.loads(read_text(file))
        return {str(name): tuple(int(k) for k in some) for name, some in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise MedcontourError(
            f"{file} is no JSON object of category names and lists of class indices; mend it."
        ) from error
