"""A slice with a bright ellipse, oblique in the patient, with pixels nearly three times as tall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_page import Page, Report

from medcontour.report import write_report
from medcontour.results import (
    ClassifierReference,
    Evidence,
    FindingSlice,
    PlacedContour,
    ScanReference,
    Suggestion,
    Views,
    make_finding,
)
from medcontour.scan.scan import Scan


@dataclass(frozen=True)
class Ellipse:
    """In the plane's millimetres, x along columns and y along rows, from the first pixel."""

    center: tuple[float, float]
    semi_axes: tuple[float, float]
    angle: float

    def points(self, count: int) -> np.ndarray:
        t = np.linspace(0, 2 * np.pi, count, endpoint=False)
        u, v = self.semi_axes[0] * np.cos(t), self.semi_axes[1] * np.sin(t)
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.stack([u * c - v * s, u * s + v * c], -1) + self.center

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distance to the ellipse, first order: exact enough near it."""
        x, y = (points - np.asarray(self.center)).T
        c, s = np.cos(self.angle), np.sin(self.angle)
        u, v = x * c + y * s, -x * s + y * c
        a, b = self.semi_axes
        value = np.hypot(u / a, v / b)
        return (value - 1) * value / np.hypot(u / a**2, v / b**2)

    def scaled(self, factor: float) -> Ellipse:
        return replace(self, semi_axes=(self.semi_axes[0] * factor, self.semi_axes[1] * factor))

    @property
    def area(self) -> float:
        return float(np.pi * self.semi_axes[0] * self.semi_axes[1])


@dataclass(frozen=True)
class Case:
    """A scan, its suggestion, and the truth: curves on slice 1 of 3."""

    scan: Scan
    suggestion: Suggestion
    bright: Ellipse
    outline: Ellipse
    evidence: Ellipse

    def with_findings(self, *parts: FindingSlice, **changes: Any) -> Suggestion:
        """A finding of each slice given."""
        findings = tuple(
            make_finding([part], number, self.scan) for number, part in enumerate(parts, start=1)
        )
        return replace(self.suggestion, findings=findings, **changes)


ROWS, COLUMNS, SLICES = 64, 96, 3
ROW_SPACING, COLUMN_SPACING = 1.7, 0.6


def place(xy: np.ndarray, scan: Scan, k: int) -> np.ndarray:
    """Millimetres of the plane to LPS, from the direction cosines."""
    along_columns = scan.affine_lps[:3, 0] / np.linalg.norm(scan.affine_lps[:3, 0])
    along_rows = scan.affine_lps[:3, 1] / np.linalg.norm(scan.affine_lps[:3, 1])
    return scan.slice_origins_lps[k] + xy[:, :1] * along_columns + xy[:, 1:] * along_rows


def oblique_scan(bright: Ellipse) -> Scan:
    turn, tilt = np.deg2rad(20), np.deg2rad(10)
    x = np.array([np.cos(turn), np.sin(turn), 0])
    y = np.array([-np.sin(turn) * np.cos(tilt), np.cos(turn) * np.cos(tilt), np.sin(tilt)])
    affine = np.eye(4)
    affine[:3, :3] = np.stack([x * COLUMN_SPACING, y * ROW_SPACING, np.cross(x, y) * 3.0], 1)
    affine[:3, 3] = (-31.0, 12.5, 407.25)
    grid = np.stack(
        np.meshgrid(np.arange(COLUMNS) * COLUMN_SPACING, np.arange(ROWS) * ROW_SPACING), -1
    )
    inside = np.clip(0.5 - bright.distance(grid.reshape(-1, 2)).reshape(ROWS, COLUMNS), 0, 1)
    plane = -500 + 600 * inside
    return Scan(
        voxels=np.repeat(plane[None], SLICES, 0).astype(np.float32),
        affine_lps=affine,
        slice_origins_lps=affine[:3, 3] + np.arange(SLICES)[:, None] * affine[:3, 2],
        units="mm",
        modality="CT",
        source="memory",
        window=(-500.0, 100.0),
    )


def placed(kind: Any, ellipse: Ellipse, scan: Scan, k: int) -> PlacedContour:
    quality = {"contrast": 3.2123, "polarity": "dark"} if kind == "outline" else {}
    return PlacedContour(kind, k, {}, place(ellipse.points(256), scan, k), ellipse.area, quality)


def make_case(factor: float = 1.0) -> Case:
    bright = Ellipse((27.3, 54.9), (9.0 * factor, 5.0 * factor), np.deg2rad(25))
    scan = oblique_scan(bright)
    outline, evidence = bright.scaled(1.4), bright.scaled(0.8)
    plane = ((scan.voxels[1] + 500) / 600).astype(np.float32)
    plane[:, :6] = np.nan
    part = FindingSlice(
        slice=1,
        sop_instance_uid="1.2.826.0.1.3680043.8.498.1",
        label="nodule",
        score=0.93,
        status="suggested",
        evidence=Evidence(
            0.91, 0.11, 0.07, 0.21, 0.88, 0.05, 76, 52.0, 40.0, 0.61, views_held=4, views_tested=4
        ),
        evidence_contours=(placed("evidence", evidence, scan, 1),),
        outlines=(placed("outline", outline, scan, 1),),
        views=Views(plane, plane * 0.9, plane * 0.1),
    )
    suggestion = Suggestion(
        scan=ScanReference("CT", (SLICES, ROWS, COLUMNS), scan.affine_lps.tolist(), "mm"),
        classifier=ClassifierReference("small", "0123456789abcdef" * 4, 1, "nodule", ("no", "yes")),
        settings={"background": "blur", "positive_above": 0.5, "outline": "region", "seed": 0},
        findings=(make_finding([part], 1, scan),),
        slice_scores={0: 0.2, 1: 0.93, 2: 0.11},
        run={"version": "0.1.0", "evaluations": 52.0, "peak_memory_mib": 311},
    )
    return Case(scan, suggestion, bright, outline, evidence)


@pytest.fixture
def case() -> Case:
    return make_case()


@pytest.fixture
def small_case() -> Case:
    """Curves so small that they are shown enlarged as well."""
    return make_case(0.4)


@pytest.fixture
def contour_of() -> Callable[..., PlacedContour]:
    return placed


@pytest.fixture
def report(case: Any, tmp_path: Path) -> Report:
    def write(suggestion: Suggestion | None = None, **scan: Any) -> Page:
        path = tmp_path / "report.html"
        write_report(suggestion or case.suggestion, replace(case.scan, **scan), path)
        return Page(path.read_text(encoding="utf-8"))

    return write
