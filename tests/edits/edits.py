"""Suggestions with analytic curves to edit, and what a test compares them by."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from export_cases import AXIAL, CASES, ELLIPSES, EVIDENCE, TILTED, UNEVEN, Case, suggest
from export_cases import with_slices as with_slices
from export_cases import write_series as write_series
from pydicom.dataset import Dataset

import medcontour as mc
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.results import PlacedContour, Suggestion, export
from medcontour.scan import Scan

__all__ = [
    "AXIAL",
    "CASES",
    "TILTED",
    "UNEVEN",
    "Case",
    "copied_structure",
    "smooth_suggestion",
    "write_series",
    "written",
]


def copied_structure(dataset: Dataset, name: str) -> tuple[Dataset, Dataset]:
    """A copy of an RTSTRUCT's first structure, number 9, that stands in no sequence yet.

    Returns
    -------
    Its items of StructureSetROISequence and of ROIContourSequence.
    """
    roi = deepcopy(dataset.StructureSetROISequence[0])
    contours = deepcopy(dataset.ROIContourSequence[0])
    roi.ROINumber = contours.ReferencedROINumber = 9
    roi.ROIName = name
    return roi, contours


def smooth_suggestion(scan: Scan, **options: object) -> Suggestion:
    """Outlines with three harmonics and a frame, of which no two are alike, and their evidence."""
    plane = PlaneGeometry(scan.rows, scan.columns, scan.pixel_spacing)
    contours = []
    for kind, ellipses in (("outline", ELLIPSES), ("evidence", EVIDENCE)):
        for number, ellipse in enumerate(ellipses):
            contours.append(_curve(kind, number, ellipse, plane, scan))
    return replace(suggest(scan, contours, **options), source=scan)


def _curve(kind, number, ellipse, plane, scan) -> PlacedContour:
    center = plane.from_index(torch.tensor([ellipse.centre], dtype=torch.float64))
    size = np.log(np.sqrt(np.prod(ellipse.half_axes)) / plane.unit_mm)
    harmonics = torch.zeros(1, 5, 2, dtype=torch.float64)
    harmonics[0, 1:3] = torch.tensor([[0.05, -0.04], [0.04, 0.02 * number]])
    curve = FourierContour(
        center,
        torch.tensor([size], dtype=torch.float64),
        harmonics,
        torch.tensor([[0.15, 0.1]], dtype=torch.float64),
    )
    index = plane.to_index(curve.polygon(128)[0]).numpy()
    return PlacedContour(
        kind,
        ellipse.k,
        curve.to_dict(),
        scan.to_lps(index, ellipse.k),
        float(curve.area()[0]) * plane.unit_mm**2,
    )


def written(suggestion: Suggestion, scan: Scan, name: str, folder: Path) -> Path:
    exporter = mc.exporters()[name]
    if reason := exporter.refuses(scan):
        pytest.skip(f"{name} is refused: {reason}")
    export(suggestion, scan, name, folder / exporter.filename)
    return folder / exporter.filename
