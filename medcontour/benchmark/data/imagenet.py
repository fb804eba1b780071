"""ImageNet validation images with their boxes, in each layout in which they are handed out."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

from medcontour.benchmark.data.dataset import Boxes, Dataset, Item, image_files
from medcontour.errors import MedcontourError

__all__ = ["read_imagenet"]

IMAGES = ("ILSVRC/Data/CLS-LOC/val", "Data/CLS-LOC/val", "val", "images", ".")
XML = ("ILSVRC/Annotations/CLS-LOC/val", "Annotations/CLS-LOC/val", "bbox", "annotations", "val")
CLASS_LISTS = ("LOC_synset_mapping.txt", "synset_words.txt", "synsets.txt")
SOLUTION = "LOC_val_solution.csv"
CLASSES = 1000


def read_imagenet(folder: Path) -> Dataset:
    """Read ILSVRC-2012 validation images and boxes.

    Parameters
    ----------
    folder
        One of: images and the official box XML (``val/`` and ``bbox/``, or the Kaggle archive's
        ``ILSVRC/Data`` and ``ILSVRC/Annotations``); images and the Kaggle
        ``LOC_val_solution.csv``; ``images/`` and a ``labels.csv`` with the columns file,
        class_index and boxes_227 (boxes as JSON, in pixels of the image warped to 227 x 227).
        Classes are numbered in the order of their WordNet identifiers, as networks number them:
        from a list such as Kaggle's ``LOC_synset_mapping.txt`` beside the images, or from the
        annotations themselves where all 1000 classes occur.

    Returns
    -------
    Dataset
        Truth is the union of an image's boxes.

    Raises
    ------
    MedcontourError
        When images, boxes or the classes' numbers are missing.
    """
    if not folder.is_dir():
        raise MedcontourError(f"There is no folder {folder}; give the one that holds ImageNet.")
    if (folder / "labels.csv").is_file():
        return _warped(folder)
    images = {path.stem: path for path in _first(folder, IMAGES, image_files)}
    if not images:
        raise MedcontourError(
            f"{folder} holds no images, neither in {' nor in '.join(IMAGES[:-1])}; unpack "
            "ILSVRC2012_img_val.tar into its val folder."
        )
    solution = folder / SOLUTION
    found = _solution(solution) if solution.is_file() else _xml(folder)
    if not found:
        raise MedcontourError(
            f"{folder} holds no boxes: put the official XML files into its bbox folder, or "
            f"Kaggle's {SOLUTION} beside the images."
        )
    number = _numbers(folder, found)
    names = tuple(name for name in images if name in found)
    if not names:
        raise MedcontourError(f"None of the boxes in {folder} is of one of its images.")

    def item(name: str) -> Item:
        wnid, boxes = found[name]()
        return Item(name, images[name], boxes, (number[wnid],))

    return Dataset("imagenet", names, item)


_Found = dict[str, Callable[[], tuple[str, Boxes]]]


def _warped(folder: Path) -> Dataset:
    file = folder / "labels.csv"
    with file.open(newline="", encoding="utf-8") as table:
        rows = {Path(row["file"]).stem: row for row in csv.DictReader(table) if "file" in row}
    wanted = {"file", "class_index", "boxes_227"}
    if not rows or not wanted <= set(next(iter(rows.values()))):
        raise MedcontourError(f"{file} lacks one of the columns {', '.join(sorted(wanted))}.")

    def item(name: str) -> Item:
        row = rows[name]
        try:
            boxes = tuple(tuple(float(v) for v in box) for box in json.loads(row["boxes_227"]))
            index = int(row["class_index"])
        except (ValueError, TypeError) as error:
            raise MedcontourError(
                f"The row of {name} in {file} holds no class index and boxes; mend it."
            ) from error
        truth = Boxes(boxes, (227, 227))  # type: ignore[arg-type]
        return Item(name, folder / "images" / row["file"], truth, (index,))

    return Dataset("imagenet", tuple(rows), item)


def _first(folder: Path, places: tuple[str, ...], look: Callable[[Path], list[Path]]) -> list[Path]:
    for place in places:
        if (folder / place).is_dir() and (found := look(folder / place)):
            return found
    return []


def _solution(file: Path) -> _Found:
    found: _Found = {}
    with file.open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            words = (row.get("PredictionString") or "").split()
            boxes = [words[k : k + 5] for k in range(0, len(words), 5)]
            try:
                corners = tuple(tuple(float(v) for v in box[1:]) for box in boxes)
                wnid, name = boxes[0][0], row["ImageId"]
            except (ValueError, IndexError, KeyError) as error:
                raise MedcontourError(
                    f"{file} has a row that is not ImageId, then a class and four numbers a box; "
                    "get it again."
                ) from error
            truth = Boxes(corners)  # type: ignore[arg-type]
            found[name] = lambda wnid=wnid, truth=truth: (wnid, truth)  # type: ignore[misc]
    return found


def _xml(folder: Path) -> _Found:
    files = _first(folder, XML, lambda place: [*place.glob("*.xml"), *place.glob("*/*.xml")])
    return {file.stem: lambda file=file: _boxes(file) for file in files}  # type: ignore[misc]


def _boxes(file: Path) -> tuple[str, Boxes]:
    try:
        tree = ElementTree.parse(file).getroot()
        size = (int(_text(tree, "size/height")), int(_text(tree, "size/width")))
        corners = tuple(
            tuple(float(_text(box, side)) for side in ("xmin", "ymin", "xmax", "ymax"))
            for box in tree.iterfind("object/bndbox")
        )
        wnid = _text(tree, "object/name")
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise MedcontourError(
            f"{file} is no annotation with a size, a class and boxes; get it again."
        ) from error
    return wnid, Boxes(corners, size)  # type: ignore[arg-type]


def _text(tree: ElementTree.Element, path: str) -> str:
    text = tree.findtext(path)
    if text is None:
        raise ValueError(path)
    return text.strip()


def _numbers(folder: Path, found: _Found) -> dict[str, int]:
    """WordNet identifiers to the networks' class indices."""
    for name in CLASS_LISTS:
        if (folder / name).is_file():
            text = (folder / name).read_text(encoding="utf-8")
            wnids = re.findall(r"^\s*(n\d{8})\b", text, re.MULTILINE)
            where = f"{folder / name} lists"
            break
    else:
        wnids = [annotation()[0] for annotation in found.values()]
        where = f"The boxes in {folder} are of"
    order = sorted(set(wnids))
    if len(order) != CLASSES:
        raise MedcontourError(
            f"{where} {len(order)} of ImageNet's {CLASSES} classes, so that their numbers are not "
            f"known; put Kaggle's {CLASS_LISTS[0]} (a class a line) into {folder}."
        )
    return {wnid: index for index, wnid in enumerate(order)}
