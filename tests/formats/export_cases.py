"""Scans of known geometry, ellipses of known place in them, and judges that share no code of ours.

A `Case` is written as a DICOM series by pydicom. An `Ellipse` is placed from the case's own
numbers by the equation of the DICOM standard (PS3.3 C.7.6.2.1-1), and knows in closed form which
points in space lie in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from skimage.draw import polygon2mask

from medcontour.results import (
    ClassifierReference,
    Evidence,
    FindingSlice,
    PlacedContour,
    ScanReference,
    Suggestion,
    make_finding,
)
from medcontour.scan import Scan

PATIENT = "Müller^Jürgen"
PATIENT_ID = "PAT-4711"
BIRTH_DATE = "19610203"


@dataclass(frozen=True)
class Case:
    """A series: direction cosines of a row and of a column, spacings and step in mm."""

    name: str
    along_row: Sequence[float]
    along_column: Sequence[float]
    row_spacing: float = 1.3
    column_spacing: float = 0.8
    step: Sequence[float] | None = None
    origin: Sequence[float] = (-21.37, 13.91, 105.03)
    rows: int = 44
    columns: int = 60
    heights: Sequence[float] = (0, 1, 2, 3, 4)

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.along_row, self.along_column)

    def slice_origin(self, k: int) -> np.ndarray:
        step = 2.7 * self.normal if self.step is None else np.asarray(self.step)
        return np.asarray(self.origin) + self.heights[k] * step

    def place(self, column_row: np.ndarray, k: int) -> np.ndarray:
        """Equation C.7.6.2.1-1: index (column, row) of slice k to LPS mm."""
        x = column_row[:, :1] * self.column_spacing * np.asarray(self.along_row)
        y = column_row[:, 1:] * self.row_spacing * np.asarray(self.along_column)
        return self.slice_origin(k) + x + y


def _turned(axis: Sequence[float], degrees: float) -> np.ndarray:
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew


_OBLIQUE = _turned((0.3, -0.8, 0.5), 33)
CASES = [
    Case("axial", (1, 0, 0), (0, 1, 0)),
    Case("coronal", (1, 0, 0), (0, 0, -1), row_spacing=0.7, column_spacing=1.1),
    Case("sagittal", (0, 1, 0), (0, 0, -1)),
    Case("oblique", _OBLIQUE[:, 0], _OBLIQUE[:, 1]),
    Case("oblique, thin rows", _OBLIQUE[:, 2], _OBLIQUE[:, 0], 0.6, 0.95),
    Case("prone", (-1, 0, 0), (0, -1, 0)),
    Case("mirrored", (-1, 0, 0), (0, 1, 0)),
    Case("transposed", (0, 1, 0), (1, 0, 0)),
]
AXIAL = CASES[0]
TILTED = replace(AXIAL, name="tilted gantry", step=(0, 0.8, 2.7))
UNEVEN = replace(AXIAL, name="uneven", heights=(0, 1, 2, 4, 5))
FURTHER = ("coronal", "sagittal", "oblique", "prone", "transposed")
"""Tried with the slow tests: the others have every difficulty of theirs."""


def each(*cases: Case) -> list[Any]:
    """Cases as a test's parameters, with those `FURTHER` ones slow."""
    return [
        pytest.param(case, marks=pytest.mark.slow) if case.name in FURTHER else case
        for case in cases
    ]


Study = tuple[Scan, Suggestion]


@dataclass(frozen=True)
class Ellipse:
    """On slice `k`: centre as index (column, row), half axes in mm, turned by `angle`."""

    k: int
    centre: tuple[float, float]
    half_axes: tuple[float, float]
    angle: float = 0.4

    def outline(self, case: Case, n: int = 256) -> np.ndarray:
        """(n, 3) points on it, LPS mm."""
        t = np.arange(n) * 2 * np.pi / n
        a, b = self.half_axes
        u, v = a * np.cos(t), b * np.sin(t)
        x = u * np.cos(self.angle) - v * np.sin(self.angle)
        y = u * np.sin(self.angle) + v * np.cos(self.angle)
        column_row = np.stack([x / case.column_spacing, y / case.row_spacing], axis=1)
        return case.place(column_row + self.centre, self.k)

    def radius(self, case: Case, points: np.ndarray) -> np.ndarray:
        """Below 1 inside, 1 on it: points (n, 3) LPS mm, all taken to be in its plane."""
        offsets = points - case.place(np.array([self.centre]), self.k)
        x, y = offsets @ np.asarray(case.along_row), offsets @ np.asarray(case.along_column)
        u = x * np.cos(self.angle) + y * np.sin(self.angle)
        v = -x * np.sin(self.angle) + y * np.cos(self.angle)
        return np.hypot(u / self.half_axes[0], v / self.half_axes[1])


ELLIPSES = [
    Ellipse(1, (20.3, 18.6), (9.7, 6.2)),
    Ellipse(2, (21.1, 19.2), (10.4, 6.9)),
    Ellipse(2, (44.37, 27.71), (6.1, 7.3), 1.1),
    Ellipse(3, (20.9, 18.1), (8.8, 5.9)),
]
EVIDENCE = [replace(e, half_axes=(e.half_axes[0] / 2, e.half_axes[1] / 2)) for e in ELLIPSES]


def write_series(case: Case, folder: Path, **attributes: object) -> Path:
    """Write a CT series in shuffled file order; `attributes` replace or add, None deletes."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    rng = np.random.default_rng(0)
    for number, k in enumerate(rng.permutation(len(case.heights)), start=1):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.FrameOfReferenceUID = frame
        dataset.PositionReferenceIndicator = ""
        dataset.PatientName, dataset.PatientID = PATIENT, PATIENT_ID
        dataset.PatientBirthDate, dataset.PatientSex = BIRTH_DATE, "F"
        dataset.StudyDate, dataset.StudyTime = "20240102", "101112"
        dataset.AccessionNumber, dataset.StudyID = "A1", "S1"
        dataset.ReferringPhysicianName = "Doe^John"
        dataset.Modality = "CT"
        dataset.Manufacturer = "phantom"
        dataset.SeriesNumber, dataset.InstanceNumber = 3, number
        dataset.ImagePositionPatient = [f"{v:.10g}" for v in case.slice_origin(k)]
        dataset.ImageOrientationPatient = [
            f"{v:.12f}" for v in (*case.along_row, *case.along_column)
        ]
        dataset.PixelSpacing = [case.row_spacing, case.column_spacing]
        dataset.SliceThickness = 2.7
        dataset.KVP, dataset.AcquisitionNumber = "120", 1
        dataset.Rows, dataset.Columns = case.rows, case.columns
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 1
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
        pixels = rng.integers(0, 2000, (case.rows, case.columns)).astype(np.int16)
        dataset.PixelData = pixels.tobytes()
        for keyword, value in attributes.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    return folder


def placed(kind: str, ellipse: Ellipse, case: Case) -> PlacedContour:
    a, b = ellipse.half_axes
    return PlacedContour(kind, ellipse.k, {}, ellipse.outline(case), float(np.pi * a * b))


def suggest(
    scan: Scan,
    contours: Sequence[PlacedContour],
    *,
    labels: Sequence[str] = (),
    outline: str = "region",
    edited: bool = False,
) -> Suggestion:
    """A suggestion with a finding a label; `labels` go with `contours`, else nodule."""
    named = list(zip(labels or ["nodule"] * len(contours), contours, strict=True))
    parts: dict[str, list[FindingSlice]] = {}
    for k, label in dict.fromkeys((c.slice, name) for name, c in named):
        here = [c for name, c in named if (c.slice, name) == (k, label)]
        parts.setdefault(label, []).append(
            FindingSlice(
                slice=k,
                sop_instance_uid=scan.sop_instance_uids[k] if scan.sop_instance_uids else None,
                label=label,
                score=0.5 + k / 100,
                status="suggested",
                evidence=Evidence(0.9, 0.1, 0.05, 0.2, 0.8, 0.05, 76, 50.0, 40.0, 0.4, 0.0, 4, 4),
                evidence_contours=tuple(c for c in here if c.kind == "evidence"),
                outlines=tuple(c for c in here if c.kind == "outline"),
            )
        )
    return Suggestion(
        scan=ScanReference(
            modality=scan.modality,
            shape=scan.voxels.shape[:3],
            affine_lps=scan.affine_lps.tolist(),
            units=scan.units,
            study_instance_uid=scan.study_instance_uid,
            series_instance_uid=scan.series_instance_uid,
            frame_of_reference_uid=scan.frame_of_reference_uid,
        ),
        classifier=ClassifierReference("phantom", "0" * 64, 1, "nodule", ("none", "nodule")),
        settings={"outline": outline},
        findings=tuple(
            make_finding(own, number, scan) for number, own in enumerate(parts.values(), start=1)
        ),
        slice_scores={},
        run={},
        edited=edited,
    )


def with_slices(suggestion: Suggestion, scan: Scan, *parts: FindingSlice) -> Suggestion:
    """The same with other slices: a finding a label."""
    by_label: dict[str, list[FindingSlice]] = {}
    for part in parts:
        by_label.setdefault(part.label, []).append(part)
    findings = (make_finding(own, n, scan) for n, own in enumerate(by_label.values(), start=1))
    return replace(suggestion, findings=tuple(findings))


def case_suggestion(scan: Scan, case: Case, **options: object) -> Suggestion:
    """The suggestion of `ELLIPSES` and `EVIDENCE` in a case."""
    outlines = [placed("outline", e, case) for e in ELLIPSES]
    return suggest(scan, outlines + [placed("evidence", e, case) for e in EVIDENCE], **options)


def structures_by_itk(path: Path, series: Path) -> dict[str, np.ndarray]:
    """Masks by name: pydicom's points, ITK's geometry, scikit-image's filling."""
    dataset = pydicom.dcmread(path)
    image = read_series_by_itk(series)
    masks = {}
    for structure, roi in zip(
        dataset.StructureSetROISequence, dataset.ROIContourSequence, strict=True
    ):
        mask = np.zeros(image.GetSize()[::-1], bool)
        for contour in roi.ContourSequence:
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
            indices = [image.TransformPhysicalPointToContinuousIndex(p) for p in points.tolist()]
            columns, rows, planes = np.transpose(indices)
            mask[round(planes.mean())] |= polygon2mask(mask.shape[1:], np.stack([rows, columns], 1))
        masks[structure.ROIName] = mask
    return masks


def read_series_by_itk(folder: Path) -> sitk.Image:
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def headers_by_uid(folder: Path) -> dict[str, Dataset]:
    found = (pydicom.dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm"))
    return {str(dataset.SOPInstanceUID): dataset for dataset in found}


def voxel_centres(image: sitk.Image, wanted: np.ndarray) -> np.ndarray:
    """LPS mm of the voxels where `wanted` (slice, row, column) is True, by ITK's geometry."""
    index = np.argwhere(wanted)[:, ::-1]
    return np.array([image.TransformIndexToPhysicalPoint(tuple(map(int, i))) for i in index])


def on_image(image: sitk.Image, points: np.ndarray) -> np.ndarray:
    """A mask on the image's grid with the voxels nearest to the points, by ITK's geometry."""
    mask = np.zeros(image.GetSize()[::-1], dtype=bool)
    for point in points:
        column, row, k = image.TransformPhysicalPointToIndex(point.tolist())
        mask[k, row, column] = True
    return mask


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.sum(a & b) / (a.sum() + b.sum()))


def circle(
    scan: Scan, k: int, centre: tuple[float, float], radius: float, n: int = 128
) -> PlacedContour:
    """A circle in pixels about (column, row)."""
    t = np.arange(n) * 2 * np.pi / n
    points = scan.to_lps(np.stack([np.cos(t), np.sin(t)], 1) * radius + centre, k)
    return PlacedContour("outline", k, {}, points, 1.0)


def files_in(path: Path) -> dict[str, bytes]:
    found = [path] if path.is_file() else sorted(path.iterdir())
    return {item.name: item.read_bytes() for item in found}
