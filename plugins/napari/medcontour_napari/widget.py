"""The Findings panel: suggest, snap, judge, map, save and export, by a server or in process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from medcontour_client import Client, Outline
from qtpy.QtWidgets import QFileDialog

from medcontour_napari.geometry import corners, vertices
from medcontour_napari.layers import (
    EVIDENCE,
    OUTLINES,
    LayerData,
    Shown,
    evidence_layer,
    image_layer,
    map_layer,
    outline_layer,
    outlines_of,
    shown_in,
)
from medcontour_napari.live import Live
from medcontour_napari.panel import FORMATS, Panel
from medcontour_napari.tasks import Progress, Task

__all__ = ["FindingsWidget"]


class FindingsWidget(Panel):
    """The panel at work.

    Parameters
    ----------
    napari_viewer
        The viewer that it is docked in.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.task = Task()
        self.shown: Shown | None = None
        self._engine: tuple[tuple[str, ...], Any] | None = None
        self._opened: tuple[tuple[str, ...], str, Shown] | None = None
        self._live: dict[int, Live] = {}
        for button, action in (
            (self.test, self.test_connection),
            (self.stop, self.task.cancel),
            (self.buttons["suggest"], self.suggest),
            (self.buttons["snap"], self.snap),
            (self.buttons["judge"], self.judge),
            (self.buttons["map"], self.map),
            (self.buttons["save"], self.save_edit),
            (self.buttons["export"], self.export),
        ):
            button.clicked.connect(lambda *_, action=action: action())
        self.findings.cellClicked.connect(lambda row, _: self._go_to(row))
        self.task.stepped.connect(self.show_step)
        self.task.failed.connect(self.said.setText)
        self.task.ended.connect(lambda: self.set_busy(False))
        self.viewer.layers.events.inserted.connect(lambda event: self._meet(event.value))
        for layer in list(self.viewer.layers):
            self._meet(layer)

    # What the buttons do.

    def test_connection(self) -> None:
        """Say what the server is, or why it cannot be used."""

        def work(progress: Progress) -> str:
            with Client(self.server.address.text(), self.server.secret.text() or None) as client:
                info = client.info()
            return f"medcontour {info.medcontour} (interface {info.api}) looks for {info.target}."

        self._start(work, self.said.setText)

    def suggest(self) -> None:
        """Open the scan where it is not open yet, and look for findings."""

        def then(found: tuple[Shown, Any, dict[str, Any]]) -> None:
            shown, voxels, document = found
            self._show_suggestion(shown, voxels, document)
            count = len(document["findings"])
            self.said.setText(f"{count} finding{'' if count == 1 else 's'}.")

        def work(engine: Any, shown: Shown, progress: Progress) -> Any:
            return engine.voxels(shown.study), engine.suggest(shown.study, progress)

        self._with_scan(work, lambda shown, found: then((shown, *found)))

    def snap(self) -> None:
        """Search on from the selected shape, and put the outline that is found in its place."""
        chosen = self._chosen()
        if chosen is None:
            return
        number, outline = chosen

        def work(engine: Any, shown: Shown, progress: Progress) -> dict[str, Any]:
            return engine.snap(shown.study, polygons=[outline], progress=progress)

        self._with_scan(work, lambda shown, found: self._take_snapped(number, outline.slice, found))

    def judge(self) -> None:
        """Give the selected shape the evidence and trust of the curve as it is."""
        chosen = self._chosen()
        if chosen is None:
            return
        number, outline = chosen

        def work(engine: Any, shown: Shown, progress: Progress) -> dict[str, Any]:
            return engine.evidence(shown.study, outline.slice, outline.corners_lps_mm)

        def then(shown: Shown, found: dict[str, Any]) -> None:
            self._note(number, found)
            evidence = found["slices"][0]["evidence"]
            self.said.setText(
                f"As it is: {found['status']}; preserved {evidence['preserved']:.2f}, "
                f"deleted {evidence['deleted']:.2f}."
            )

        self._with_scan(work, then)

    def map(self) -> None:
        """Find the slice's best contour of each area."""
        if self.shown is None:
            self.said.setText("Suggest for a scan first.")
            return
        study = self.shown.study
        at = round(float(self.viewer.dims.point[0] / study.slice_spacing))
        k = min(max(at, 0), study.shape[0] - 1)

        def work(engine: Any, shown: Shown, progress: Progress) -> dict[str, Any]:
            return engine.contour_map(shown.study, k, progress)

        def then(shown: Shown, found: dict[str, Any]) -> None:
            self._add(map_layer(shown, found))
            self.said.setText(f"{len(found['levels'])} areas on slice {k + 1}.")

        self._with_scan(work, then)

    def save_edit(self) -> None:
        """Take the outlines over as they are, and show the edit report."""
        layer = self.outlines
        if layer is None:
            self.said.setText("Suggest for a scan first.")
            return
        own = shown_in(layer)
        assert own is not None
        left = outlines_of(own, layer.data, layer.features)

        def work(engine: Any, shown: Shown, progress: Progress) -> dict[str, Any]:
            return engine.edit(shown.study, left)

        def then(shown: Shown, report: dict[str, Any]) -> None:
            self.report.show_report(report)
            self.tabs.setCurrentWidget(self.report)
            changed = sum(part["change"] != "unchanged" for part in report["slices"])
            self.said.setText(f"Saved: {changed} of {len(report['slices'])} outlines changed.")

        self._with_scan(work, then)

    def export(self, path: str | None = None) -> None:
        """Write the saved edit in the chosen format."""
        format = self.format.currentText()
        if path is None:
            path, _ = QFileDialog.getSaveFileName(self, "Export", FORMATS[format])
        if not path:
            return

        def work(engine: Any, shown: Shown, progress: Progress) -> None:
            engine.export(shown.study, format, to=path, edited=True)

        self._with_scan(work, lambda shown, found: self.said.setText("The file is written."))

    @property
    def outlines(self) -> Any:
        """The layer of outlines that belongs to the open scan, None where there is none."""
        return self._layer(OUTLINES)

    # How they do it.

    def _start(self, work: Callable[[Progress], Any], then: Callable[[Any], None]) -> None:
        if not self.task.running:
            self.set_busy(True)
        self.task.start(work, then)

    def _with_scan(
        self, work: Callable[[Any, Shown, Progress], Any], then: Callable[[Shown, Any], None]
    ) -> None:
        """Do work with the engine and the scan that the forms say, opened where they are not."""
        form = self.here if self.where.currentIndex() == 0 else self.server
        place = self.place.text().strip()
        missing = form.missing() or (None if place else "Name a scan first.")
        if missing:
            self.said.setText(missing)
            return
        key, sample = form.key(), self.here.classifier.text()

        def whole(progress: Progress) -> tuple[Shown, Any]:
            if self._engine is None or self._engine[0] != key:
                if self._engine is not None:
                    self._engine[1].close()
                self._engine = (key, form.engine(key))
            engine = self._engine[1]
            if self._opened is None or self._opened[:2] != (key, place):
                study = form.opened(engine, place)
                local = place if Path(place).exists() else None
                self._opened = (key, place, Shown(study, "image", place=local, classifier=sample))
            shown = self._opened[2]
            return shown, work(engine, shown, progress)

        def taken(found: tuple[Shown, Any]) -> None:
            self.shown = found[0]
            then(*found)

        self._start(whole, taken)

    def _show_suggestion(self, shown: Shown, voxels: Any, document: dict[str, Any]) -> None:
        if not any(self._is_of(layer, shown, "image") for layer in self.viewer.layers):
            self._add(image_layer(voxels, shown, Path(self.place.text()).name or "scan"))
        for kind in (OUTLINES, EVIDENCE):
            old = self._layer(kind)
            if old is not None:
                self.viewer.layers.remove(old)
        self._add(evidence_layer(shown, document))
        self._add(outline_layer(shown, document))
        if self.findings.shapes:
            self.findings.selectRow(0)
            self._go_to(0)

    def _take_snapped(self, number: int, k: int, document: dict[str, Any]) -> None:
        parts = [
            (finding, part)
            for finding in document["findings"]
            for part in finding["slices"]
            if part["slice"] == k and (part["outlines"] or part["evidence_contours"])
        ]
        layer, evidence = self.outlines, self._layer(EVIDENCE)
        if not parts or layer is None:
            self.said.setText("No evidence is found from there; the curve stays as it was.")
            return
        finding, part = parts[0]
        assert self.shown is not None
        found = (part["outlines"] or part["evidence_contours"])[0]
        self._live[id(layer)].replace(
            number, vertices(found["polygon_lps_mm"], k, self.shown.study)
        )
        self._note(number, finding)
        if evidence is not None:
            for contour in part["evidence_contours"]:
                evidence.add_polygons(vertices(contour["polygon_lps_mm"], k, self.shown.study))
        self.said.setText("Snapped to the evidence.")

    def _note(self, number: int, finding: dict[str, Any]) -> None:
        """Write score, status and trust of a curve into its row."""
        layer = self.outlines
        if layer is None or number >= len(layer.data):
            return
        features = layer.features.copy()
        row = features.index[number]
        features.loc[row, "status"] = finding["status"]
        for name in ("score", "trust"):
            features.loc[row, name] = np.nan if finding[name] is None else finding[name]
        layer.features = features
        self.findings.show_layer(layer)

    def _chosen(self) -> tuple[int, Outline] | None:
        """The one selected outline, and its place in the layer."""
        layer = self.outlines
        selected = [] if layer is None else sorted(layer.selected_data)
        if len(selected) != 1:
            self.said.setText("Select one outline: in the table, or by clicking it.")
            return None
        own = shown_in(layer)
        assert own is not None
        k, points = corners(layer.data[selected[0]], own.study)
        return selected[0], Outline(k, points)

    def _go_to(self, row: int) -> None:
        """Show the slice of a row of the table, and select its outline."""
        layer = self.outlines
        if layer is None or not 0 <= row < len(self.findings.shapes):
            return
        number = self.findings.shapes[row]
        study = shown_in(layer).study  # type: ignore[union-attr]
        middle = layer.data[number].mean(0) * (study.slice_spacing, *study.pixel_spacing)
        self.viewer.dims.set_point(0, middle[0])
        self.viewer.layers.selection.active = layer
        layer.mode = "select"
        layer.selected_data = {number}

    def _meet(self, layer: Any) -> None:
        """Take up a layer of ours, whoever added it."""
        own = shown_in(layer)
        if own is None:
            return
        if own.place is not None:
            self.place.setText(own.place)
        if own.classifier and not self.here.classifier.text():
            self.here.classifier.setText(own.classifier)
        if own.what != OUTLINES:
            return
        self.shown = own
        self._live[id(layer)] = Live(layer, own, lambda: self.findings.show_layer(layer))
        self.findings.show_layer(layer)

    def _add(self, data: LayerData) -> Any:
        content, kwargs, kind = data
        return getattr(self.viewer, f"add_{kind}")(content, **kwargs)

    def _layer(self, kind: str) -> Any:
        found = [
            layer
            for layer in self.viewer.layers
            if (own := shown_in(layer)) is not None and own.what == kind
        ]
        return found[-1] if found else None

    @staticmethod
    def _is_of(layer: Any, shown: Shown, kind: str) -> bool:
        own = shown_in(layer)
        return (
            own is not None
            and own.what == kind
            and own.study.shape == shown.study.shape
            and np.allclose(own.study.affines_lps, shown.study.affines_lps)
        )
