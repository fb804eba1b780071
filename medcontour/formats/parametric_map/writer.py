"""DICOM Parametric Map (PS3.3 A.75) of the evidence, by highdicom."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.content import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medcontour.files import replacing
from medcontour.formats.dicom.header import (
    CHARACTER_SET,
    MANUFACTURER,
    discreetly,
    series_description,
    series_number,
    sources,
)
from medcontour.formats.dicom.identity import object_uid
from medcontour.formats.dicom.left_empty import left_empty
from medcontour.formats.dicom.text import carry_text
from medcontour.formats.seg.writer import exporter as seg
from medcontour.results.exporter import Exporter, NothingToWrite, on_request
from medcontour.results.masks import pixel_coverage
from medcontour.results.model import Suggestion
from medcontour.scan.scan import Scan

__all__ = ["exporter", "write"]

NAME = "parametric-map"

SHARE = Code("EVIDENCE_SHARE", "99MEDCONTOUR", "Share of the pixel inside evidence contours")

Planes = dict[int, npt.NDArray[np.float32]]


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``parametric_map.dcm``: of each pixel the share that the evidence contours cover.

    One frame a slice with evidence, 32-bit floats from 0 to 1. Of an image of several frames all
    have one, as it is referred to as a whole.

    Raises
    ------
    NothingToWrite
        When no evidence contour covers anything of the images.
    """
    shares = _shares(suggestion, scan)
    if not shares:
        raise NothingToWrite("There is no evidence contour to write as parametric-map.")
    with discreetly(), replacing(path) as temporary:
        dataset = _map(shares, suggestion, scan)
        carry_text(dataset, scan.datasets[0])
        dataset.save_as(temporary, enforce_file_format=True)


def _shares(suggestion: Suggestion, scan: Scan) -> Planes:
    """(rows, columns) by slice; where contours meet in a pixel, their shares add up, to 1."""
    sums: dict[int, Any] = {}
    for contour in suggestion.contours("evidence"):
        share = pixel_coverage(contour.polygon_lps_mm, scan, contour.slice)
        sums[contour.slice] = sums.get(contour.slice, 0.0) + share
    return {k: np.minimum(s, 1).astype(np.float32) for k, s in sorted(sums.items()) if s.any()}


def _map(shares: Planes, suggestion: Suggestion, scan: Scan) -> Dataset:
    images = sources(scan)
    nothing = np.zeros((scan.rows, scan.columns), dtype=np.float32)
    if scan.frame_numbers:
        order = [int(k) for k in np.argsort(scan.frame_numbers)]
        used = images[:1]
    else:
        order = list(shares)
        used = [_of_patient(images[k], images[0]) for k in order]
    dataset: Dataset = ParametricMap(
        source_images=used,
        pixel_array=np.stack([shares.get(k, nothing) for k in order]),
        series_instance_uid=object_uid(suggestion, NAME, "series"),
        series_number=series_number(images[0], 6),
        sop_instance_uid=object_uid(suggestion, NAME),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=version("medcontour"),
        device_serial_number="1",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            RealWorldValueMapping(
                lut_label="SHARE",
                lut_explanation=SHARE.meaning,
                unit=codes.UCUM.NoUnits,
                value_range=(0.0, 1.0),
                slope=1.0,
                intercept=0.0,
                quantity_definition=SHARE,
            )
        ],
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        content_label="EVIDENCE",
        content_description=f"{series_description(suggestion)}: evidence",
        series_description=f"{series_description(suggestion)}: evidence",
        specific_character_set=CHARACTER_SET,
    )
    # Type 2C of the General Series module: empty where nobody knows.
    dataset.Laterality = images[0].get("Laterality", "")
    dimensions = object_uid(suggestion, NAME, "dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    return dataset


def _of_patient(image: Dataset, first: Dataset) -> Dataset:
    """An image with what the first one's mended header says of patient and study."""
    own = Dataset()
    own.update(first)
    own.update(image)
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"):
        own[keyword] = first[keyword]
    return own


def _refuses(scan: Scan) -> str | None:
    if reason := seg.refuses(scan):
        return reason
    if not scan.frame_of_reference_uid:
        return "The image has no FrameOfReferenceUID (0020,0052) to place a map in"
    return None


exporter = Exporter(
    NAME,
    "parametric_map.dcm",
    write,
    _refuses,
    by_default=on_request,
    leaves_empty=left_empty,
)
