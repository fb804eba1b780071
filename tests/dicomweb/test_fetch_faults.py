"""What a server does wrong while a series is read: one plain sentence, and nothing left behind."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from archive import Archive
from fault_proxy import Answer, Request
from pydicom.uid import generate_uid
from small_files import FAMILY, NUMBER, write_series

import medcontour as mc

pytestmark = pytest.mark.orthanc

Rule = Callable[[Request], Answer | None]


def _always(answer: Answer) -> Rule:
    return lambda request: answer


def _images(answer: Answer) -> Rule:
    return lambda request: answer if request.image else None


def _cut(body: bytes) -> bytes:
    """A whole HTTP answer, with a part that is damaged: its last pixels are missing."""
    end = body.rindex(b"\r\n--")
    return body[: end - 1000] + body[end:]


def _garbled(body: bytes) -> bytes:
    return body.replace(b"DICM", b"DICK")


def _shortened(body: bytes) -> bytes:
    """A list of data sets that ends too early, in a whole HTTP answer."""
    return body[:-20]


FAULTS: dict[str, tuple[Rule, str]] = {
    "401": (_always(Answer(401)), "asks who you are"),
    "403": (_always(Answer(403)), "ask its administrator for the right"),
    "404": (_always(Answer(404)), "check the address"),
    "413": (_images(Answer(413)), "raise the limit"),
    "500": (_always(Answer(500)), "500 Internal Server Error"),
    "503": (_always(Answer(503)), "try again later"),
    "503 at an image": (_images(Answer(503, {"Retry-After": "0"})), "try again later"),
    "closes half way": (_images(Answer(half=True)), "broke off"),
    "closes at once": (_always(Answer(after=True)), "broke off"),
    "a damaged part": (_images(Answer(change=_cut)), "damaged part"),
    "a part that is no DICOM": (_images(Answer(change=_garbled)), "damaged part"),
    "slow": (_images(Answer(wait=1.5)), "did not answer in time"),
    "another kind of server": (
        _always(Answer(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>")),
        "no DICOMweb service",
    ),
    "an answer cut short": (_always(Answer(change=_shortened)), "no DICOMweb service"),
    "sends us elsewhere": (
        _always(Answer(302, {"Location": "http://127.0.0.1:9/"})),
        "sends us on to another address",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_sentence_and_nothing_is_left(
    fault: str,
    archive: Archive,
    study: Path,
    bundle: Path,
    tmp_path: Path,
    environment: Path,
    medcontour: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, *_ = archive.put(study)
    rule, words = FAULTS[fault]
    if fault == "slow":
        monkeypatch.setenv("MEDCONTOUR_DICOMWEB_TIMEOUT", "0.3")
    archive.proxy.rule = rule
    out = tmp_path / "out"
    answer = medcontour(
        "suggest", archive.address(image), "--classifier", bundle, "--out", out, "--push"
    )
    assert answer.code == 1
    assert words in answer.err
    assert answer.err.count("\n") == 1
    assert not any(patient in answer.err + answer.out for patient in (FAMILY, NUMBER))
    assert not out.exists()
    assert not environment.exists() or list(environment.iterdir()) == []
    assert archive.modalities() == {"CT": 4}
    assert len(archive.proxy.seen) <= 3 + 4  # tries are bounded


def test_a_server_that_is_down(medcontour: Callable[..., object]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        answer = medcontour("info", f"dicomweb+http://127.0.0.1:{port}/dicom-web#1.2.3")
    assert answer.code == 1
    assert f"127.0.0.1:{port} cannot be reached" in answer.err
    assert answer.err.count("\n") == 1


def test_another_series_images_are_not_taken_over(
    archive: Archive, study: Path, tmp_path: Path, environment: Path
) -> None:
    image, *_ = archive.put(study)
    other, *_ = archive.put(write_series(tmp_path / "other"))
    where = f"studies/{other.StudyInstanceUID}/series/{other.SeriesInstanceUID}"
    instead = Answer(instead=f"/dicom-web/{where}/instances/{other.SOPInstanceUID}")
    archive.proxy.rule = _images(instead)
    with pytest.raises(mc.MedcontourError, match="an image of another series") as refused:
        mc.read_scan(archive.address(image))
    assert image.SeriesInstanceUID in str(refused.value)
    assert list(environment.iterdir()) == []


def test_a_series_that_is_not_there(archive: Archive, study: Path) -> None:
    archive.put(study)
    with pytest.raises(mc.MedcontourError, match=r"has no series 1\.2\.3; `medcontour info"):
        mc.read_scan(f"{archive.address()}#1.2.3")


def test_what_is_wrong_with_the_images_names_the_address(
    archive: Archive, study: Path, tmp_path: Path, environment: Path
) -> None:
    """Two images at one place: the files that it is about are gone when the sentence is read."""
    images = archive.put(study)
    again = pydicom.dcmread(next(study.iterdir()))
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    again.save_as(tmp_path / "again.dcm")
    archive.put(tmp_path)
    with pytest.raises(mc.MedcontourError) as refused:
        mc.read_scan(archive.address(images[0]))
    assert str(environment) not in str(refused.value)
    assert again.SOPInstanceUID in str(refused.value)


def test_a_series_without_a_frame_of_reference_is_not_pushed_by_halves(
    archive: Archive,
    study: Path,
    bundle: Path,
    tmp_path: Path,
    medcontour: Callable[..., object],
) -> None:
    """Neither RTSTRUCT nor SEG can be placed: said before the work, and nothing is stored."""
    bare = tmp_path / "bare"
    bare.mkdir()
    series = generate_uid()
    for path in study.iterdir():
        image = pydicom.dcmread(path)
        del image.FrameOfReferenceUID
        image.SeriesInstanceUID = series
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.save_as(bare / path.name)
    image, *_ = archive.put(bare)
    out = tmp_path / "out"
    answer = medcontour(
        "suggest", archive.address(image), "--classifier", bundle, "--out", out, "--push"
    )
    assert answer.code == 1
    *bars, sentence = answer.err.splitlines()
    assert "no FrameOfReferenceUID" in sentence
    assert [bar.split(" \N{BOX DRAWINGS HEAVY HORIZONTAL}")[0] for bar in bars] == [
        "Fetching images from the archive"
    ]
    assert not out.exists()
    assert archive.modalities() == {"CT": 4}
