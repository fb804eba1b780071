"""Tables of the panel: findings, and what an edit changed."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

__all__ = ["FindingsTable", "ReportTable"]


class _Table(QTableWidget):
    HEAD: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__(0, len(self.HEAD))
        self.setHorizontalHeaderLabels(self.HEAD)
        self.verticalHeader().setVisible(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setStretchLastSection(True)

    def fill(self, rows: list[tuple[str, ...]]) -> None:
        """Show rows of text."""
        self.setRowCount(len(rows))
        for n, row in enumerate(rows):
            for m, text in enumerate(row):
                self.setItem(n, m, QTableWidgetItem(text))


class FindingsTable(_Table):
    """Outlines, the least trusted first; `shapes` are their places in the layer."""

    HEAD = ("finding", "slice", "score", "trust", "area")

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[int] = []

    def show_layer(self, layer: Any) -> None:
        """Show the outlines of a layer."""
        features = layer.features
        order = sorted(
            range(len(features)),
            key=lambda n: (
                _last(features["trust"].iloc[n]),
                _last(features["score"].iloc[n]),
                layer.data[n][0, 0],
            ),
        )
        self.shapes = order
        self.fill(
            [
                (
                    str(features["label"].iloc[n]),
                    f"{layer.data[n][:, 0].mean() + 1:.0f}",
                    _figure(features["score"].iloc[n]),
                    _figure(features["trust"].iloc[n]),
                    f"{features['area_mm2'].iloc[n]:.1f} {features['unit'].iloc[n]}",
                )
                for n in order
            ]
        )


class ReportTable(_Table):
    """The edit report, slice by slice, and in total."""

    HEAD = ("finding", "slice", "change", "Dice", "HD95")

    def show_report(self, report: dict[str, Any]) -> None:
        """Show the report of an edit."""
        unit = report["unit"]
        rows = [
            (each["label"], str(each["slice"] + 1), each["change"], *_figures(each, unit))
            for each in report["slices"]
        ]
        self.fill([*rows, ("all", "", "", *_figures(report["total"], unit))])


def _figures(of: dict[str, Any], unit: str) -> tuple[str, str]:
    dice, hd95 = of["dice"], of["hausdorff95_mm"]
    return (
        "" if dice is None else f"{dice:.3f}",
        "" if hd95 is None else f"{hd95:.1f} {unit}",
    )


def _figure(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _last(value: float) -> float:
    return math.inf if math.isnan(value) else value
