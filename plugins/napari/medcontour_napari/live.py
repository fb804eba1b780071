"""While outlines are edited: areas and neighbours of a dragged point follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medcontour_napari.geometry import area_mm2, follow_drag
from medcontour_napari.layers import Shown

__all__ = ["Live"]


class Live:
    """Keeps the features of an outline layer as the reader edits it.

    Parameters
    ----------
    layer
        Shapes that `outline_layer` gave.
    shown
        What it belongs to.
    told
        Called after each change.
    """

    def __init__(self, layer: Any, shown: Shown, told: Callable[[], None]) -> None:
        self._layer, self._shown, self._told = layer, shown, told
        self._before = [shape.copy() for shape in layer.data]
        self._busy = False
        layer.events.data.connect(self._changed)
        layer.events.set_data.connect(self._moving)

    def _moving(self, event: Any = None) -> None:
        """Areas while a point is on its way."""
        if not self._busy and len(self._layer.data) == len(self._layer.features):
            self._areas()

    def _changed(self, event: Any) -> None:
        action = str(getattr(event.action, "value", event.action))
        if self._busy or action not in ("added", "changed", "removed"):
            return
        self._busy = True
        try:
            if action == "changed":
                self._follow()
            if action == "added":
                self._name(len(self._before))
            self._before = [shape.copy() for shape in self._layer.data]
        finally:
            self._busy = False
        self._areas()
        self._told()

    def replace(self, number: int, vertices: Any) -> None:
        """Put another curve in the place of one, and keep its row and what is selected."""
        self._busy = True
        try:
            chosen = set(self._layer.selected_data)
            data = list(self._layer.data)
            data[number] = vertices
            self._layer.data = data
            self._layer.selected_data = chosen
            self._before = [shape.copy() for shape in self._layer.data]
        finally:
            self._busy = False
        self._areas()
        self._told()

    def _follow(self) -> None:
        data = self._layer.data
        if len(data) != len(self._before):
            return
        for number, (old, new) in enumerate(zip(self._before, data, strict=True)):
            followed = follow_drag(old, new, self._shown.study)
            if followed is not None:
                self.replace(number, followed)

    def _name(self, known: int) -> None:
        """A new shape is of no finding yet, whatever was selected when it was drawn."""
        features = self._layer.features
        for number in range(known, len(features)):
            features.loc[features.index[number], ["finding", "label", "status"]] = (
                "",
                self._shown.label,
                "drawn",
            )
            features.loc[features.index[number], ["score", "trust"]] = np.nan
        self._layer.features = features

    def _areas(self) -> None:
        areas = np.array([area_mm2(shape, self._shown.study) for shape in self._layer.data])
        features = self._layer.features
        if np.array_equal(areas, features["area_mm2"].to_numpy(dtype=float), equal_nan=True):
            return
        self._busy = True
        try:
            self._layer.features = features.assign(area_mm2=areas)
            self._layer.refresh_text()
        finally:
            self._busy = False
