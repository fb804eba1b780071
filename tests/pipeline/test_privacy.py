"""Whether a path may be repeated in what is written."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medcontour import Scan
from medcontour.pipeline.privacy import path_without_patient


def scan_from(source: str, **attributes: str) -> Scan:
    header = Dataset()
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    plane = np.zeros((1, 4, 4), np.float32)
    return Scan(
        plane, np.eye(4), np.zeros((1, 3)), "mm", "CT", source, (0.0, 1.0), datasets=(header,)
    )


@pytest.mark.parametrize(
    "path",
    [
        "/archive/MUELLER_JUERGEN/ct",
        "/archive/mueller/ct",
        "/archive/PAT-4711/ct",
        "/archive/19610203_ct",
    ],
)
def test_a_path_that_tells_who_the_patient_is_is_not_kept(path: str) -> None:
    patient = {
        "PatientName": "Mueller^Juergen",
        "PatientID": "PAT-4711",
        "PatientBirthDate": "19610203",
    }
    assert path_without_patient(scan_from(path, **patient)) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientName": "Mueller^Juergen", "PatientID": "PAT-4711"},
        {"PatientName": "", "PatientID": "", "PatientBirthDate": ""},
        {},
    ],
)
def test_another_path_is_kept(attributes: dict[str, str]) -> None:
    assert path_without_patient(scan_from("/archive/none/ct", **attributes)) == "/archive/none/ct"
