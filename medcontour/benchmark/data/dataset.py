"""Images with the places that an explanation should point at, and subsets of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.scan.claims import opened_picture
from medcontour.scan.quiet import muted
from medcontour.scan.values import grey_where_equal

__all__ = [
    "Boxes",
    "Dataset",
    "Item",
    "Masks",
    "choose",
    "image_files",
    "read_pixels",
    "write_list",
]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Truth = Callable[[tuple[int, int]], BoolArray]
"""From the (rows, columns) of the image to what is the object, of that shape."""

SUFFIXES = (".jpeg", ".jpg", ".png", ".tif", ".tiff", ".bmp")
_GREY = ("L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Item:
    """One image, and what is known about it.

    Attributes
    ----------
    name
        What lists and records call it; no two items of a data set share one.
    path
        The image.
    truth
        Where the object is.
    classes
        The classes that are right: indices of the network's, or their names. None given: the class
        that the network scores highest is explained, whatever it is.
    must_recognise
        Whether the item only counts for a network that scores one of `classes` highest.
    spacing
        Millimetres between rows, then between columns, where they are known.
    """

    name: str
    path: Path
    truth: Truth
    classes: tuple[int | str, ...] = ()
    must_recognise: bool = False
    spacing: tuple[float, float] | None = None


@dataclass(frozen=True)
class Dataset:
    """Items that are made when they are needed.

    Attributes
    ----------
    kind
        ``"imagenet"``, ``"coco"`` or ``"folder"``.
    names
        Of the items, in order.
    item
        From a name to the item. Raises MedcontourError where its files are not right.
    """

    kind: str
    names: tuple[str, ...]
    item: Callable[[str], Item] = field(repr=False)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Boxes:
    """The union of boxes.

    Attributes
    ----------
    boxes
        (left, top, right, bottom) in pixels, 0 at the image's edge: pixel ``i`` spans ``i`` to
        ``i + 1`` and belongs to a box that holds its middle.
    size
        (rows, columns) of the picture whose pixels are meant, where it is another than the
        image's own; the boxes are scaled.

    Examples
    --------
    >>> Boxes(((1.0, 0.0, 3.0, 1.0),))((2, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 0, 0, 0]])
    """

    boxes: tuple[tuple[float, float, float, float], ...]
    size: tuple[int, int] | None = None

    def __call__(self, shape: tuple[int, int]) -> BoolArray:
        """Give the pixels of an image of this shape whose middle lies in a box."""
        rows, columns = self.size or shape
        y = (np.arange(shape[0]) + 0.5) * rows / shape[0]
        x = (np.arange(shape[1]) + 0.5) * columns / shape[1]
        inside = np.zeros(shape, dtype=bool)
        for left, top, right, bottom in self.boxes:
            inside |= ((y >= top) & (y <= bottom))[:, None] & ((x >= left) & (x <= right))
        return inside


@dataclass(frozen=True)
class Masks:
    """The union of mask pictures: what is not 0 in any channel.

    Attributes
    ----------
    files
        Pictures of the image's size.
    """

    files: tuple[Path, ...]

    def __call__(self, shape: tuple[int, int]) -> BoolArray:
        """Read them.

        Raises
        ------
        MedcontourError
            When one cannot be read or has another size.
        """
        inside = np.zeros(shape, dtype=bool)
        for file in self.files:
            mask = read_pixels(file)
            if mask.shape[:2] != shape:
                raise MedcontourError(
                    f"The mask {file} has {mask.shape[1]} x {mask.shape[0]} pixels, its image "
                    f"{shape[1]} x {shape[0]}; give masks of the images' size."
                )
            inside |= (mask if mask.ndim == 2 else mask.max(2)) > 0
        return inside


def read_pixels(path: Path) -> FloatArray:
    """Read a picture's pixels in the order in which they are stored, as annotations count them.

    Returns
    -------
    ndarray
        (rows, columns) where it is grey, in its own values; (rows, columns, 3) from 0 to 255
        otherwise. Transparency is left out.

    Raises
    ------
    MedcontourError
        When it cannot be read.
    """
    try:
        with muted(), opened_picture(path) as image:
            grey = "L" if image.mode in ("1", "LA", "La") else "RGB"
            plain = image if image.mode in _GREY else image.convert(grey)
            pixels = np.asarray(plain, dtype=np.float32)
    except MedcontourError:
        raise
    except Exception as error:  # Pillow's decoders raise anything at damaged files.
        raise MedcontourError(
            f"{path} cannot be read as an image: it is missing, damaged or of a kind that is not "
            "supported; get it again."
        ) from error
    return np.asarray(grey_where_equal(pixels[None])[0], dtype=np.float32)


def image_files(folder: Path) -> list[Path]:
    """Pictures in a folder, or one folder deeper, sorted."""
    found = [*folder.glob("*"), *folder.glob("*/*")]
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())


def choose(
    dataset: Dataset, images: int, seed: int = 0, largest: float = 1.0
) -> list[tuple[Item, float | None]]:
    """Draw images that show an object, without replacement; the same seed gives the same list.

    Parameters
    ----------
    dataset
        What to draw from.
    images
        How many; fewer where there are not so many.
    seed
        Of the draw. A longer list begins with the shorter one of the same seed.
    largest
        Leave out images of which the object's pixels are this share or more.

    Returns
    -------
    list of (Item, float or None)
        With the share of the image that is the object's; None for files that cannot be read,
        which stay on the list so that they are counted.

    Raises
    ------
    MedcontourError
        When none is left.
    """
    chosen: list[tuple[Item, float | None]] = []
    names = sorted(dataset.names)
    for index in np.random.default_rng(seed).permutation(len(names)):
        item = dataset.item(names[index])
        share = _share(item)
        if share is None or (share > 0 and (share < largest or largest >= 1)):
            chosen.append((item, share))
            if len(chosen) == images:
                break
    if not chosen:
        raise MedcontourError(
            f"Of the {len(names)} images of the data set none has an object that covers less than "
            f"{largest:g} of it; ask for a larger share."
        )
    return chosen


def write_list(chosen: Sequence[tuple[Item, float | None]], file: Path) -> None:
    """Write the chosen images as CSV: name, file, classes and the object's share."""
    with (
        replacing(file) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as rows,
    ):
        writer = csv.writer(rows)
        writer.writerow(("name", "file", "classes", "object_share"))
        for item, share in chosen:
            classes = " ".join(str(name) for name in item.classes)
            writer.writerow(
                (item.name, item.path.name, classes, "" if share is None else f"{share:.4f}")
            )


def _share(item: Item) -> float | None:
    try:
        with opened_picture(item.path) as image:
            shape = image.height, image.width
        return float(item.truth(shape).mean())
    except (OSError, ValueError, MedcontourError):
        return None
