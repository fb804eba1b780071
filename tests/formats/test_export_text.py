"""Names in other scripts and what says that a patient was de-identified, in the objects written."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pydicom
import pytest
from dicom_files import FILES, exported
from export_cases import AXIAL, case_suggestion, write_series
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from typer.testing import CliRunner

import medcontour as mc
from medcontour.cli.app import app
from medcontour.formats.dicom.header import sources
from medcontour.scan import Scan

NAME = Tag(0x0010, 0x0010)

DECLARED = {
    "ISO_IR 144": "Люкceмбypг",
    "ISO_IR 166": "นามสกุล",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "ISO 2022 IR 6\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎",
    "GBK": "Wang^XiaoDong=王^小东",
    "GB18030": "Wang^XiaoDong=王^小東",
    "ISO_IR 192": "Müller=王^小东",
}
BYTES = {
    "undeclared GBK": ("", "王^小东".encode("gbk")),
    "undeclared latin 1": ("", "Müller^Jürgen".encode("latin-1")),
    "undeclared UTF-8": ("", "Müller^Jürgen".encode()),
    "UTF-8 called latin 1": ("ISO_IR 100", "Müller^Jürgen".encode()),
    "of an unknown set": ("ISO_IR 999", "Łódź".encode("iso8859-2")),
}


def scan_of(folder: Path, character_set: str, raw: bytes) -> Scan:
    path = write_series(AXIAL, folder / "ct")
    for file in path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.SpecificCharacterSet = character_set.split("\\") if character_set else ""
        dataset._dict[NAME] = RawDataElement(NAME, "PN", len(raw), raw, 0, False, True)
        dataset.pop("ReferringPhysicianName", None)
        dataset.save_as(file)
    return mc.read_scan(path)


def declared_scan(folder: Path, character_set: str) -> Scan:
    sets, text = character_set.split("\\"), DECLARED[character_set]
    path = write_series(AXIAL, folder / "ct")
    for file in path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.SpecificCharacterSet = sets if len(sets) > 1 else sets[0]
        dataset.PatientName, dataset.ReferringPhysicianName = text, ""
        dataset.save_as(file)
    assert str(pydicom.dcmread(next(path.iterdir())).PatientName) == text
    return mc.read_scan(path)


def padded(raw: bytes) -> bytes:
    return raw + b" " * (len(raw) % 2)


def raw_name(dataset: Dataset) -> bytes:
    element = dataset.get_item(NAME)
    assert isinstance(element, RawDataElement)
    return element.value or b""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rtstruct", "seg"])
@pytest.mark.parametrize("character_set", DECLARED)
def test_a_name_of_a_declared_set_is_the_same_name(
    character_set: str, name: str, tmp_path: Path
) -> None:
    scan = declared_scan(tmp_path, character_set)
    written = exported(name, case_suggestion(scan, AXIAL), scan, tmp_path)
    assert str(written.PatientName) == DECLARED[character_set]
    assert mc.exporters()[name].leaves_empty(scan) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rtstruct", "seg"])
@pytest.mark.parametrize("how", BYTES)
def test_bytes_that_nobody_can_read_are_carried_over_as_they_are(
    how: str, name: str, tmp_path: Path
) -> None:
    character_set, raw = BYTES[how]
    scan = scan_of(tmp_path, character_set, padded(raw))
    exported(name, case_suggestion(scan, AXIAL), scan, tmp_path)
    file = next(p for p in tmp_path.glob("*.dcm"))
    written = pydicom.dcmread(file)
    assert padded(raw_name(written)) == padded(raw)
    assert (written.get("SpecificCharacterSet") or "") == character_set


def test_escapes_of_no_declared_set_are_left_empty_and_not_cut(tmp_path: Path) -> None:
    scan = scan_of(tmp_path, "", padded(b"\x1b$B;3ED\x1b(B"))
    written = exported("rtstruct", case_suggestion(scan, AXIAL), scan, tmp_path)
    assert str(written.PatientName) == ""


CODE = {
    "CodeValue": "113100",
    "CodingSchemeDesignator": "DCM",
    "CodeMeaning": "Basic Application Confidentiality Profile",
}


@pytest.mark.parametrize(
    ("removed", "method", "code"),
    list(
        product(
            ["YES", "NO", "", None],
            ["by hand", "", None],
            [CODE, {**CODE, "CodeMeaning": ""}, {"CodeValue": "113100"}, None],
        )
    ),
)
def test_deidentification_is_said_where_it_is_whole(
    shared_scan: Scan, removed: str | None, method: str | None, code: dict[str, str] | None
) -> None:
    first = shared_scan.datasets[0]
    for keyword in [element.keyword for element in first if "identif" in element.keyword.lower()]:
        del first[keyword]
    if removed is not None:
        first.PatientIdentityRemoved = removed
    if method is not None:
        first.DeidentificationMethod = method
    if code is not None:
        item = Dataset()
        for keyword, value in code.items():
            setattr(item, keyword, value)
        first.DeidentificationMethodCodeSequence = [item]
    said = sources(shared_scan)[0]
    whole = bool(method) or code == CODE
    assert ("PatientIdentityRemoved" in said) == (removed == "NO" or (removed == "YES" and whole))
    if said.get("PatientIdentityRemoved") == "YES":
        assert said.get("DeidentificationMethod") == (method or None)
        assert ("DeidentificationMethodCodeSequence" in said) == (code == CODE)
    elif removed != "NO":
        assert "DeidentificationMethod" not in said
        assert "DeidentificationMethodCodeSequence" not in said


@pytest.fixture(scope="module")
def shared_scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return mc.read_scan(write_series(AXIAL, tmp_path_factory.mktemp("identity")))


def lost_in(folder: Path) -> Scan:
    """A series with a name and a procedure that its character set does not read, and a bad date."""
    path = write_series(AXIAL, folder / "ct")
    raw = padded(b"\x1b$B;3ED\x1b(B")
    for file in path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.SpecificCharacterSet = ""
        dataset._dict[NAME] = RawDataElement(NAME, "PN", len(raw), raw, 0, False, True)
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", raw.decode()
        dataset.ProcedureCodeSequence = [item]
        dataset.PatientSex = "W"
        dataset.save_as(file)
    return mc.read_scan(path)


EMPTY = {"PatientName", "PatientSex", "ProcedureCodeSequence"}


@pytest.mark.parametrize("name", ["rtstruct", "seg"])
def test_what_is_left_empty_is_named_and_not_repeated(name: str, tmp_path: Path) -> None:
    scan = lost_in(tmp_path)
    suggestion = replace(case_suggestion(scan, AXIAL), source=scan)
    saved = suggestion.save(tmp_path / "out", [name, "report"])
    [note] = saved.notes
    written = pydicom.dcmread(tmp_path / "out" / FILES[name])
    assert {each for each in EMPTY if not written.get(each)} == EMPTY
    assert {part.strip(" .") for part in note.partition(":")[2].split(",")} == EMPTY
    assert ";3ED" not in note
    assert note in json.loads((tmp_path / "out" / "suggestion.json").read_text())["notes"]
    assert note in html.unescape((tmp_path / "out" / "report.html").read_text())


def test_what_is_left_empty_is_named_by_convert_and_only_for_dicom(tmp_path: Path) -> None:
    scan = lost_in(tmp_path)
    out = tmp_path / "out"
    suggestion = replace(case_suggestion(scan, AXIAL), source=scan)
    assert not suggestion.save(out, ["labelmap"]).notes
    for to, said in (("rtstruct", True), ("labelmap", False)):
        line = ["convert", str(out), "--to", to, "--out", str(tmp_path / f"{to}.nii.gz")]
        done = CliRunner().invoke(app, [*line, "--scan", str(tmp_path / "ct")])
        assert done.exit_code == 0, done.output
        assert (all(each in done.output for each in EMPTY)) is said


def test_a_sequence_of_bytes_that_nobody_can_read_is_left_out_whole(tmp_path: Path) -> None:
    path = write_series(AXIAL, tmp_path / "ct")
    for file in path.iterdir():
        dataset = pydicom.dcmread(file)
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", "Schädel"
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.ProcedureCodeSequence = [item]
        dataset.save_as(file)
        dataset = pydicom.dcmread(file)
        del dataset.SpecificCharacterSet
        dataset.save_as(file)
    scan = mc.read_scan(path)
    written = exported("rtstruct", case_suggestion(scan, AXIAL), scan, tmp_path)
    assert "ProcedureCodeSequence" not in written
    assert "ProcedureCodeSequence" in str(mc.exporters()["rtstruct"].leaves_empty(scan))
