"""Pseudonyms in DICOM objects: stable, keyed, and nothing of the patient beside them."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from archives import write_picture
from small_files import plane, write_bundle, write_series
from test_batch_command import MARKED

import medcontour as mc


def objects(made: mc.Batch) -> list[pydicom.Dataset]:
    files = sorted(made.folder.glob("*/*.dcm"))
    assert len(files) == 6
    for file in files:
        text = file.read_bytes().decode("latin-1")
        assert not [mark for mark in (*MARKED, "20240102") if mark.casefold() in text.casefold()]
    return [pydicom.dcmread(file) for file in files]


def test_a_patient_has_one_pseudonym_a_key_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("one", "two"):
        write_series(root / name, [plane(spot=k == 0, seed=k) for k in range(2)])
    bundle = write_bundle(tmp_path / "bundle")
    names = []
    for number in range(2):
        key = tmp_path / f"key{number}"
        key.write_text(str(number) * 32)
        made = mc.batch(
            root, bundle, tmp_path / "out", formats=["seg", "rtstruct", "sr"], pseudonymise=key
        )
        found = objects(made)
        [(name, identity)] = {(str(o.PatientName), o.PatientID) for o in found}
        assert name == f"Pseudonym^{identity}"
        assert all(o.PatientIdentityRemoved == "YES" and o.PatientBirthDate == "" for o in found)
        studies = {o.StudyInstanceUID for o in found}
        images = [pydicom.dcmread(file) for file in root.glob("*/000.dcm")]
        assert studies == {image.StudyInstanceUID for image in images}
        names.append(identity)
    assert len(set(names)) == 2


def test_what_is_no_key_and_an_archive_that_knows_the_patient_are_refused(
    bundle: Path, tmp_path: Path
) -> None:
    write_picture(tmp_path / "root" / "a.png", spot=False)
    (tmp_path / "short").write_text("123")
    for key, said in (("short", "is no key"), ("none", "cannot be read")):
        with pytest.raises(mc.MedcontourError, match=said):
            mc.batch(tmp_path / "root", bundle, tmp_path / "out", pseudonymise=tmp_path / key)
    (tmp_path / "key").write_text("1" * 32)
    with pytest.raises(mc.MedcontourError, match="knows the patient"):
        mc.batch(
            "dicomweb+http://localhost:1/rs",
            bundle,
            tmp_path / "out",
            push=True,
            pseudonymise=tmp_path / "key",
        )
