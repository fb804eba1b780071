"""3D Slicer curves: one closed curve a file, ``.mrk.json``, schema 1.0.3."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medcontour.errors import MedcontourError
from medcontour.files import file_stem, replacing_folder
from medcontour.formats.labels import Kind, Label, labels
from medcontour.results.exporter import Exporter, NothingToWrite
from medcontour.results.model import Suggestion
from medcontour.results.numbering import slice_numbers
from medcontour.scan.scan import Scan

__all__ = ["control_points", "exporter", "write"]

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.3.json#"
)
ENDING = ".mrk.json"
CONTROL_POINTS = 24
_RAS_AXES_IN_LPS = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write the folder ``markups`` with one closed curve a contour.

    Curves are named ``NAME slice K`` and ``NAME evidence slice K``, K the slice counted
    from 1, with a number added where a slice has several. Evidence has another colour. The same
    suggestion gives the same bytes.

    Raises
    ------
    NothingToWrite
        When there is no contour.
    MedcontourError
        When the folder cannot be written, or holds anything else than curves.
    """
    _check_place(path)
    stems = _stems(suggestion)
    files: dict[str, str] = {}
    for name, label, kind, polygon in _curves(suggestion):
        stem = stems[label.value] + re.sub(r"\W+", "_", name.removeprefix(label.name))
        while f"{stem}{ENDING}".casefold() in map(str.casefold, files):
            stem += "_"
        document = {"@schema": SCHEMA, "markups": [_markup(name, label.colour(kind), polygon)]}
        files[f"{stem}{ENDING}"] = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if not files:
        raise NothingToWrite("There is no contour to write as markups.")
    with replacing_folder(path) as folder:
        for filename, text in files.items():
            (folder / filename).write_text(text, encoding="utf-8")


def _stems(suggestion: Suggestion) -> dict[int, str]:
    """What files are called after each label, by its value: no two alike, on any system."""
    stems: dict[int, str] = {}
    for label in labels(suggestion):
        stem, number = file_stem(label.name), 1
        while stem.casefold() in map(str.casefold, stems.values()):
            number += 1
            stem = f"{file_stem(label.name)}_{number}"
        stems[label.value] = stem
    return stems


def control_points(
    polygon: npt.NDArray[np.float64], n: int = CONTROL_POINTS
) -> npt.NDArray[np.float64]:
    """Points at equal steps along a closed polygon (corners, 3), the first corner first: (n, 3).

    Few enough to drag; 3D Slicer draws a spline through them.
    """
    closed = np.vstack([polygon, polygon[:1]])
    length = np.concatenate([[0.0], np.linalg.norm(np.diff(closed, axis=0), axis=1).cumsum()])
    at = np.arange(n) * length[-1] / n
    return np.stack([np.interp(at, length, closed[:, axis]) for axis in range(3)], axis=1)


def _curves(suggestion: Suggestion) -> Iterator[tuple[str, Label, Kind, npt.NDArray[np.float64]]]:
    taken: Counter[str] = Counter()
    kinds: tuple[Kind, ...] = ("outline", "evidence")
    for label in labels(suggestion):
        for kind in kinds:
            for contour in label.contours(kind):
                name = f"{label.called(kind)} slice {slice_numbers([contour.slice])}"
                taken[name] += 1
                unique = name if taken[name] == 1 else f"{name} ({taken[name]})"
                yield unique, label, kind, contour.polygon_lps_mm


def _markup(
    name: str, rgb: tuple[int, int, int], polygon: npt.NDArray[np.float64]
) -> dict[str, Any]:
    colour = [round(part / 255, 6) for part in rgb]
    return {
        "type": "ClosedCurve",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": CONTROL_POINTS,
        "controlPoints": [
            {
                "id": str(number),
                "label": f"{name}-{number}",
                "description": "",
                "associatedNodeID": "",
                "position": position,
                "orientation": _RAS_AXES_IN_LPS,
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "defined",
            }
            for number, position in enumerate(control_points(polygon).tolist(), start=1)
        ],
        "display": {
            "visibility": True,
            "opacity": 1.0,
            "color": colour,
            "selectedColor": colour,
            "propertiesLabelVisibility": False,
            "pointLabelsVisibility": False,
        },
    }


def _check_place(path: Path) -> None:
    """Refuse to replace anything but curves, or nothing."""
    if path.exists() and not (
        path.is_dir() and all(item.name.endswith(ENDING) for item in path.iterdir())
    ):
        raise MedcontourError(
            f"{path} is no folder of curves ({ENDING}) alone and would be replaced; "
            "choose a new or an empty folder."
        )


def _refuses(scan: Scan) -> str | None:
    return None


exporter = Exporter("markups", "markups", write, _refuses)
