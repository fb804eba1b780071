"""What is shown: the scan, outlines to edit, evidence, a contour map; and outlines taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from medcontour_client import Outline, Study

from medcontour_napari.geometry import area_mm2, corners, scale, vertices

__all__ = [
    "EVIDENCE",
    "METADATA",
    "OUTLINES",
    "LayerData",
    "Shown",
    "evidence_layer",
    "image_layer",
    "map_layer",
    "outline_layer",
    "outlines_of",
    "shown_in",
]

LayerData = tuple[Any, dict[str, Any], str]

METADATA = "medcontour"
OUTLINES, EVIDENCE = "outlines", "evidence"
ORANGE, BLUE = "#e69f00", "#56b4e9"
"""Told apart also by who sees no red or green."""

CAPTION = "{label} {area_mm2:.0f} {unit}"
NONE = float("nan")


@dataclass(eq=False)
class Shown:
    """What a layer belongs to.

    Attributes
    ----------
    study
        The scan's geometry.
    what
        ``"image"``, ``"outlines"``, ``"evidence"`` or ``"map"``.
    document
        The suggestion.json that outlines are of; None without.
    place
        Where the scan was opened from; None where that is not known.
    classifier
        A classifier that goes with the scan, where there is one.
    """

    study: Study
    what: str
    document: dict[str, Any] | None = None
    place: str | None = None
    classifier: str | None = None

    @property
    def label(self) -> str:
        """The class of a new outline."""
        return "finding" if self.document is None else self.document["classifier"]["target_name"]


def shown_in(layer: Any) -> Shown | None:
    """Give what a layer belongs to; None for one of somebody else."""
    found = layer.metadata.get(METADATA)
    return found if isinstance(found, Shown) else None


def image_layer(voxels: npt.NDArray[Any], shown: Shown, name: str = "scan") -> LayerData:
    """The scan itself."""
    more = {"rgb": True} if shown.study.colour else {"contrast_limits": shown.study.window}
    if shown.study.colour:
        low, high = shown.study.window
        voxels = np.clip((voxels - low) / max(high - low, 1e-9), 0, 1)
    return voxels, {"name": name, **_placed(shown), **more}, "image"


def outline_layer(shown: Shown, document: dict[str, Any]) -> LayerData:
    """All outlines of a suggestion, to edit."""
    own = Shown(shown.study, OUTLINES, document, shown.place, shown.classifier)
    rows = list(_rows(document, "outlines"))
    return _shapes(own, OUTLINES, rows, ORANGE)


def evidence_layer(shown: Shown, document: dict[str, Any]) -> LayerData:
    """What the classifier goes by, to look at."""
    own = Shown(shown.study, EVIDENCE, document, shown.place)
    rows = list(_rows(document, "evidence_contours"))
    return _shapes(own, EVIDENCE, rows, BLUE, caption=None)


def map_layer(shown: Shown, mapped: dict[str, Any]) -> LayerData:
    """A slice's best contour of each area, coloured by what each preserves."""
    own = Shown(shown.study, "map", None, shown.place)
    k = mapped["slice"]
    rows = [
        (
            k,
            level["contour"]["polygon_lps_mm"],
            {
                "area_fraction": level["area_fraction"],
                "preserved": level["preserved"],
                "deleted": level["deleted"],
            },
        )
        for level in mapped["levels"]
    ]
    data, kwargs, kind = _shapes(
        own, f"contour map, slice {k + 1}", rows, "preserved", caption=None
    )
    kwargs |= {"edge_colormap": "viridis", "edge_contrast_limits": (0.0, 1.0)}
    kwargs["text"] = {
        "string": "{area_fraction:.0%}",
        "size": 8,
        "color": "yellow",
        "anchor": "upper_left",
    }
    return data, kwargs, kind


def outlines_of(shown: Shown, data: Any, features: Any) -> list[Outline]:
    """Take the outlines of a layer back: LPS mm, with the finding that each belongs to.

    Parameters
    ----------
    shown
        What the layer belongs to.
    data, features
        Its shapes, and the table of a row for each.

    Raises
    ------
    NotOnTheScan
        For a curve that lies on no slice.
    """
    found = []
    for shape, finding, label in zip(data, features["finding"], features["label"], strict=True):
        k, points = corners(shape, shown.study)
        found.append(Outline(k, points, finding or None, None if finding else str(label)))
    return found


def _rows(document: dict[str, Any], which: str) -> Iterator[tuple[int, Any, dict[str, Any]]]:
    for finding in document["findings"]:
        number = finding["number"]
        label = finding["label"] + ("" if number is None else f" {number}")
        for part in finding["slices"]:
            for contour in part[which]:
                yield (
                    part["slice"],
                    contour["polygon_lps_mm"],
                    {
                        "finding": finding["id"],
                        "label": label,
                        "status": part["status"],
                        "score": _number(part["score"]),
                        "trust": _number(finding["trust"]),
                    },
                )


def _number(value: float | None) -> float:
    return NONE if value is None else float(value)


def _shapes(
    shown: Shown,
    name: str,
    rows: list[tuple[int, Any, dict[str, Any]]],
    colour: str,
    caption: str | None = CAPTION,
) -> LayerData:
    data = [vertices(polygon, k, shown.study) for k, polygon, _ in rows]
    features: dict[str, list[Any]] = {}
    for _, _, own in rows:
        for key, value in own.items():
            features.setdefault(key, []).append(value)
    if not rows:
        features = {"finding": [], "label": [], "status": [], "score": [], "trust": []}
    features["area_mm2"] = [area_mm2(shape, shown.study) for shape in data]
    features["unit"] = ["mm²" if shown.study.units == "mm" else "px²"] * len(data)
    kwargs: dict[str, Any] = {
        "name": name,
        "shape_type": "polygon",
        "features": features,
        "edge_color": colour,
        "face_color": "transparent",
        "edge_width": 0.4,
        "ndim": 3,
        **_placed(shown),
    }
    if caption is not None:
        kwargs["text"] = {"string": caption, "size": 9, "color": colour, "anchor": "upper_left"}
    return data, kwargs, "shapes"


def _placed(shown: Shown) -> dict[str, Any]:
    unit = "mm" if shown.study.units == "mm" else "pixel"
    return {
        "scale": scale(shown.study),
        "units": (unit,) * 3,
        "axis_labels": ("slice", "row", "column"),
        "metadata": {METADATA: shown},
    }
