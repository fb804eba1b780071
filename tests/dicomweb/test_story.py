"""From the archive to a reader and back: the whole way, once, on the sample study."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from archive import Archive
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

pytestmark = [pytest.mark.orthanc, pytest.mark.dicom_tools]

SLICE = 13
MOVED_MM = 4.0


@pytest.mark.slow
def test_a_suggestion_goes_to_the_archive_and_comes_back_edited(
    archive: Archive, sample_data: Path, tmp_path: Path, medcontour: Callable[..., object]
) -> None:
    images = archive.put(sample_data / "ct_study")
    out, refined = tmp_path / "out", tmp_path / "refined"
    suggest = (
        *("suggest", archive.address(images[0]), "--slices", f"{SLICE}:{SLICE + 1}"),
        *("--classifier", sample_data / "nodule_classifier", "--out", out, "--push"),
    )
    first = medcontour(*suggest)
    assert first.code == 0, first.err
    assert archive.modalities() == {"CT": len(images), "SEG": 1, "RTSTRUCT": 1, "SR": 1}

    # Read back from the archive by other libraries: both objects hold one nodule.
    (structures,), (segments,) = archive.objects("RTSTRUCT"), archive.objects("SEG")
    outline = _outline(structures)
    assert structures.StructureSetROISequence[0].ROIName == "nodule 1"
    image = next(i for i in images if np.isclose(float(i.ImagePositionPatient[2]), outline[0, 2]))
    np.testing.assert_allclose(
        _centre(segments, image), outline.mean(axis=0), atol=float(max(image.PixelSpacing)) / 2
    )

    # A reader moves the outline, and the tool gives the edit a UID of its own.
    edited = _moved(structures, tmp_path / "edited.dcm")
    refine = ("refine", out, edited, "--out", refined, "--push")
    second = medcontour(*refine)
    assert second.code == 0, second.err
    assert archive.modalities() == {"CT": len(images), "SEG": 2, "RTSTRUCT": 2, "SR": 2}

    # New objects that say what they came from; the first ones are as they were.
    after = {str(found.SOPInstanceUID): found for found in archive.objects("RTSTRUCT", "SEG")}
    assert after.pop(structures.SOPInstanceUID) == structures
    assert after.pop(segments.SOPInstanceUID) == segments
    by_kind = {found.Modality: found for found in after.values()}
    first_report, report = sorted(archive.objects("SR"), key=_has_predecessor)
    [document] = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    [named_report] = document.ReferencedSOPSequence
    assert named_report.ReferencedSOPInstanceUID == first_report.SOPInstanceUID
    newer, mask = by_kind["RTSTRUCT"], by_kind["SEG"]
    (before,) = newer.PredecessorStructureSetSequence
    assert before.ReferencedSOPInstanceUID == structures.SOPInstanceUID
    assert before.ReferencedSOPClassUID == structures.SOPClassUID
    (source,) = mask.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == segments.SOPInstanceUID
    named = {
        (series.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
        for series in mask.ReferencedSeriesSequence
        for item in series.ReferencedInstanceSequence
    }
    assert (segments.SeriesInstanceUID, segments.SOPInstanceUID) in named
    assert newer.StructureSetROISequence[0].ROIGenerationAlgorithm == "SEMIAUTOMATIC"
    shift = _outline(newer).mean(axis=0) - outline.mean(axis=0)
    np.testing.assert_allclose(shift, [MOVED_MM, 0, 0], atol=0.01)
    shift = _centre(mask, image) - _centre(segments, image)
    np.testing.assert_allclose(shift, [MOVED_MM, 0, 0], atol=float(max(image.PixelSpacing)) / 2)
    for name in ("rtstruct.dcm", "seg.dcm", "sr.dcm"):
        assert _errors(refined / name) == []

    # The whole once more: nothing changes.
    held = {str(found.SOPInstanceUID) for found in archive.objects()}
    sent = len(archive.proxy.asked("POST"))
    for command in (suggest, refine, ("push", out), ("push", refined)):
        again = medcontour(*command)
        assert again.code == 0, again.err
        assert "not sent again" in again.out
    assert len(archive.proxy.asked("POST")) == sent
    assert {str(found.SOPInstanceUID) for found in archive.objects()} == held


def _has_predecessor(report: Dataset) -> bool:
    return "PredecessorDocumentsSequence" in report


def _outline(structures: Dataset) -> np.ndarray:
    """(n, 3) points of the first structure's one contour, LPS mm."""
    (contour,) = structures.ROIContourSequence[0].ContourSequence
    return np.array(contour.ContourData, dtype=float).reshape(-1, 3)


def _moved(structures: Dataset, path: Path) -> Path:
    points = _outline(structures) + np.array([MOVED_MM, 0, 0])
    edited = pydicom.dcmread(_saved(structures, path))
    contour = edited.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = [f"{value:.6f}" for value in points.ravel()]
    edited.SOPInstanceUID = edited.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return _saved(edited, path)


def _saved(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def _centre(segments: Dataset, image: Dataset) -> np.ndarray:
    """Centre of the segment's pixels on an image, LPS mm, by highdicom."""
    mask = hd.seg.Segmentation.from_dataset(segments).get_pixels_by_source_instance(
        [image.SOPInstanceUID], combine_segments=True
    )[0]
    to_lps = hd.spatial.PixelToReferenceTransformer.for_image(image)
    return to_lps(np.argwhere(mask)[:, ::-1]).mean(axis=0)


def _errors(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]
