"""Results stored in a real Orthanc: each once, whatever happens on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from archive import Archive
from fault_proxy import Answer, Request
from without import python_without

import medcontour as mc

pytestmark = pytest.mark.orthanc

BOTH = {"CT": 4, "SEG": 1, "RTSTRUCT": 1}


@pytest.fixture
def full(archive: Archive, study: Path) -> Archive:
    archive.put(study)
    return archive


def _posts(*answers: Answer | None) -> Callable[[Request], Answer | None]:
    """Answer the requests to store one after the other; further ones are passed on."""
    left: Iterator[Answer | None] = iter(answers)
    return lambda request: next(left, None) if request.method == "POST" else None


def test_what_was_written_is_in_the_archive_and_in_the_study(full: Archive, result: Path) -> None:
    stored = mc.push(result, full.address())
    assert {each.file for each in stored} == {"rtstruct.dcm", "seg.dcm"}
    assert not any(each.before for each in stored)
    assert full.modalities() == BOTH
    study = full.objects("CT")[0].StudyInstanceUID
    for there in full.objects("RTSTRUCT", "SEG"):
        written = pydicom.dcmread(result / f"{there.Modality.lower()}.dcm")
        assert there == written
        assert there.StudyInstanceUID == study


def test_a_second_time_changes_nothing(full: Archive, result: Path) -> None:
    first = mc.push(result, full.address())
    sent = len(full.proxy.asked("POST"))
    second = mc.push(result, full.address())
    assert all(each.before for each in second)
    assert [each.sop_instance_uid for each in second] == [each.sop_instance_uid for each in first]
    assert len(full.proxy.asked("POST")) == sent
    assert full.modalities() == BOTH


def test_the_command_says_what_it_stored(
    full: Archive, result: Path, medcontour: Callable[..., object]
) -> None:
    answer = medcontour("push", result, "--to", full.address())
    assert (answer.code, answer.err) == (0, "")
    assert "Stored" in answer.out
    again = medcontour("push", result, "--to", full.address(), "--json")
    assert {each["before"] for each in json.loads(again.out)["stored"]} == {True}


FAULTS = {
    "401": (Answer(401), "asks who you are"),
    "413": (Answer(413), "raise the limit"),
    "507": (Answer(507), "507 Insufficient Storage"),
    "409 without a reason": (Answer(409), "409 Conflict"),
    "refused with a reason": (
        Answer(
            409,
            {"Content-Type": "application/dicom+json; charset=utf-8"},
            json.dumps(
                {
                    "00081198": {
                        "vr": "SQ",
                        "Value": [{"00081197": {"vr": "US", "Value": [0xA700]}}],
                    }
                }
            ).encode(),
        ),
        "it has no room left, A700H",
    ),
    "takes and loses it": (Answer(200), "does not have it"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_refusal_of_the_first_leaves_nothing_stored(
    fault: str, full: Archive, result: Path, medcontour: Callable[..., object]
) -> None:
    answer_of_server, words = FAULTS[fault]
    full.proxy.rule = _posts(answer_of_server)
    answer = medcontour("push", result, "--to", full.address())
    assert answer.code == 1
    assert words in answer.err
    assert "was not stored" in answer.err
    assert "Nothing was stored" in answer.err
    assert answer.err.count("\n") == 1
    assert full.modalities() == {"CT": 4}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_refusal_of_the_second_the_same_command_stores_the_rest(
    fault: str, full: Archive, result: Path, medcontour: Callable[..., object]
) -> None:
    answer_of_server, words = FAULTS[fault]
    full.proxy.rule = _posts(None, answer_of_server)
    answer = medcontour("push", result, "--to", full.address())
    assert answer.code == 1
    assert words in answer.err
    (there,) = full.objects("RTSTRUCT", "SEG")
    assert f"Stored: {there.Modality.lower()}.dcm" in answer.err
    sent = len(full.proxy.asked("POST"))
    again = medcontour("push", result, "--to", full.address())
    assert again.code == 0
    assert f"not sent again: {there.Modality.lower()}.dcm" in again.out
    assert len(full.proxy.asked("POST")) == sent + 1
    assert full.modalities() == BOTH


def test_orthanc_itself_refuses_and_says_why(full: Archive, result: Path) -> None:
    """An object that is sent to another study's address: Orthanc's own reason comes through."""
    full.proxy.rule = _posts(Answer(instead="/dicom-web/studies/1.2.3"))
    with pytest.raises(mc.MedcontourError, match=r"was not stored: .* refuses it \(.*H\)"):
        mc.push(result, full.address())
    assert full.modalities() == {"CT": 4}


def test_what_arrived_although_no_answer_came_is_not_sent_again(
    full: Archive, result: Path
) -> None:
    full.proxy.rule = _posts(Answer(after=True))
    mc.push(result, full.address())
    assert len(full.proxy.asked("POST")) == 2
    assert full.modalities() == BOTH


def test_a_fault_that_passes_is_not_noticed(full: Archive, result: Path) -> None:
    full.proxy.rule = _posts(Answer(503), Answer(503), None, Answer(429))
    mc.push(result, full.address())
    assert full.modalities() == BOTH


def test_a_server_that_stays_busy_is_left_alone_after_a_few_tries(
    full: Archive, result: Path
) -> None:
    full.proxy.rule = _posts(*[Answer(503)] * 20)
    with pytest.raises(mc.MedcontourError, match="try again later"):
        mc.push(result, full.address())
    assert len(full.proxy.asked("POST")) == 4
    assert full.modalities() == {"CT": 4}


def test_nothing_is_sent_where_the_archive_cannot_be_asked(full: Archive, result: Path) -> None:
    full.proxy.rule = lambda request: Answer(503) if request.method == "GET" else None
    with pytest.raises(mc.MedcontourError, match="busy"):
        mc.push(result, full.address())
    assert full.proxy.asked("POST") == []


def test_an_object_of_another_run_is_not_stored(
    full: Archive, result: Path, tmp_path: Path
) -> None:
    """Neither one that a reader edited in place: it would take the place of the first."""
    folder = tmp_path / "out"
    shutil.copytree(result, folder)
    document = json.loads((folder / "suggestion.json").read_text())
    document["findings"][0]["slices"][0]["outlines"][0]["polygon_lps_mm"][0][0] += 1
    (folder / "suggestion.json").write_text(json.dumps(document))
    with pytest.raises(mc.MedcontourError, match="of another run"):
        mc.push(folder, full.address())
    assert full.proxy.seen == []


def test_a_scan_that_is_a_file_needs_to_be_told_the_archive(
    study: Path, bundle: Path, result: Path, tmp_path: Path, medcontour: Callable[..., object]
) -> None:
    answer = medcontour("push", result)
    assert answer.code == 1
    assert "dicomweb+https://HOST/ROOT" in answer.err
    out = tmp_path / "out"
    answer = medcontour("suggest", study, "--classifier", bundle, "--out", out, "--push")
    assert answer.code == 1
    assert "medcontour push OUT --to" in answer.err
    assert not out.exists()


@pytest.mark.slow
def test_storing_does_without_pytorch(full: Archive, result: Path) -> None:
    code = "import medcontour as mc; print(len(mc.push(sys.argv[1], sys.argv[2])))"
    done = python_without(["torch", "monai"], code, result, full.address())
    assert done.returncode == 0, done.stderr
    assert full.modalities() == BOTH
