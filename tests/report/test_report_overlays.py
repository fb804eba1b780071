from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from pydicom.dataset import Dataset
from report_page import Report
from scipy.spatial import cKDTree

from medcontour.errors import MedcontourError
from medcontour.report import write_overlays
from medcontour.report.overlays import caption
from medcontour.report.pictures import Edges, edge_letters, scale_bar
from medcontour.report.words import verdict
from medcontour.results.status import STATUSES

OUTLINE, EVIDENCE = (0x56, 0xB4, 0xE9), (0xE6, 0x9F, 0x00)  # Okabe and Ito 2008


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def coloured(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(n, 2): x, y of the pixels of a colour, as positions of their centres."""
    y, x = np.nonzero(np.abs(picture - colour).max(-1) < 40)
    return np.stack([x, y], -1) + 0.5


def whole_slice(picture: np.ndarray, case: Any) -> tuple[np.ndarray, float]:
    """The part of the picture that shows the slice, and its pixels per millimetre."""
    rows, columns = case.scan.rows * 1.7, case.scan.columns * 0.6
    scale = 768 / max(rows, columns)
    return picture[: round(rows * scale), : round(columns * scale)], scale


def to_plane(pixels: np.ndarray, scale: float) -> np.ndarray:
    """The picture's upper left corner is half a pixel's spacing from the first pixel's centre."""
    return pixels / scale - np.array([0.6, 1.7]) / 2


def test_curves_lie_where_they_should(case: Any, tmp_path: Path) -> None:
    (path,) = write_overlays(case.suggestion, case.scan, tmp_path)
    part, scale = whole_slice(read(path), case)
    for colour, ellipse in ((OUTLINE, case.outline), (EVIDENCE, case.evidence)):
        points = to_plane(coloured(part, colour), scale)
        distance = ellipse.distance(points) * scale
        assert len(points) > 200
        assert np.abs(distance).max() < 1.7
        assert abs(distance.mean()) < 0.25
        # A shift leaves the mean distance alone but not the centre.
        middle = (points.min(0) + points.max(0)) / 2
        true = ellipse.points(2000)
        expected = (true.min(0) + true.max(0)) / 2
        assert np.abs(middle - expected).max() * scale < 1.0


def test_outline_is_solid_and_evidence_dashed(case: Any, tmp_path: Path) -> None:
    (path,) = write_overlays(case.suggestion, case.scan, tmp_path)
    part, scale = whole_slice(read(path), case)
    share = {}
    for colour, ellipse in ((OUTLINE, case.outline), (EVIDENCE, case.evidence)):
        drawn = cKDTree(to_plane(coloured(part, colour), scale))
        away, _ = drawn.query(ellipse.points(2000))
        share[colour] = (away * scale < 1.5).mean()
    assert share[OUTLINE] > 0.99
    assert 0.5 < share[EVIDENCE] < 0.9


def test_the_image_lies_under_the_curves(case: Any, tmp_path: Path) -> None:
    finding = replace(case.suggestion.slices[0], evidence_contours=())
    (path,) = write_overlays(case.with_findings(finding), case.scan, tmp_path)
    part, scale = whole_slice(read(path), case)
    y, x = np.nonzero(part.min(-1) > 127)
    points = to_plane(np.stack([x, y], -1) + 0.5, scale)
    points = points[case.bright.scaled(1.25).distance(points) < 0]
    assert np.abs(points.mean(0) - case.bright.center).max() * scale < 1.0
    assert len(points) / scale**2 == pytest.approx(case.bright.area, rel=0.03)
    spread = np.cov(points.T)
    truth = np.cov((case.bright.points(4000)).T) / 2  # of a disk: half that of its rim
    assert spread == pytest.approx(truth, rel=0.05)


def test_the_image_is_drawn_pixel_for_pixel(case: Any, tmp_path: Path) -> None:
    """Whatever the release of matplotlib: nothing but the enlargement has sampled it."""
    finding = replace(case.suggestion.slices[0], outlines=(), evidence_contours=())
    (path,) = write_overlays(case.with_findings(finding), case.scan, tmp_path)
    part, _ = whole_slice(read(path), case)
    grey = np.rint((case.scan.voxels[1] + 500) / 600 * 255).astype(np.uint8)
    expected = Image.fromarray(grey).resize(part.shape[1::-1], Image.Resampling.BICUBIC)
    inner = slice(60, -60), slice(40, -40)  # between the marks at the edges
    for channel in range(3):
        np.testing.assert_array_equal(part[..., channel][inner], np.asarray(expected)[inner])


def test_small_curves_are_shown_enlarged_beside_the_slice(small_case: Any, tmp_path: Path) -> None:
    (path,) = write_overlays(small_case.suggestion, small_case.scan, tmp_path)
    picture = read(path)
    part, scale = whole_slice(picture, small_case)
    beside = picture[: part.shape[0], part.shape[1] :]
    here, there = coloured(part, OUTLINE), coloured(beside, OUTLINE)
    enlargement = np.ptp(there, axis=0) / np.ptp(here, axis=0)
    assert enlargement.min() > 2
    assert enlargement[0] == pytest.approx(enlargement[1], rel=0.05)
    center = to_plane(here, scale).mean(0)
    assert np.abs(center - small_case.outline.center).max() * scale < 1.0


def test_names_follow_the_slice_and_count_further_findings(case: Any, tmp_path: Path) -> None:
    finding = case.suggestion.slices[0]
    suggestion = case.with_findings(finding, finding, replace(finding, slice=2))
    written = write_overlays(suggestion, case.scan, tmp_path / "new")
    names = ["slice_002.png", "slice_002_2.png", "slice_003.png"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names


def test_same_bytes_whatever_the_users_matplotlib_settings(case: Any, tmp_path: Path) -> None:
    (first,) = write_overlays(case.suggestion, case.scan, tmp_path / "a")
    taste = {
        "font.size": 20,
        "font.family": "serif",
        "lines.linewidth": 9,
        "image.origin": "lower",
        "image.cmap": "viridis",
        "figure.autolayout": True,
        "savefig.dpi": 300,
    }
    with matplotlib.rc_context(taste):
        (second,) = write_overlays(case.suggestion, case.scan, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_leaves_the_users_figures_alone(case: Any, tmp_path: Path) -> None:
    before = plt.get_fignums()
    write_overlays(case.suggestion, case.scan, tmp_path)
    assert plt.get_fignums() == before


def test_labels_are_text_and_no_formula(case: Any, tmp_path: Path) -> None:
    finding = replace(case.suggestion.slices[0], label=r"a_$\frac{1}{$ " + "long " * 60)
    (path,) = write_overlays(case.with_findings(finding), case.scan, tmp_path)
    (plain,) = write_overlays(case.suggestion, case.scan, tmp_path / "plain")
    assert read(path).shape[0] > read(plain).shape[0]  # wrapped, not cut off


def test_colour_and_pixel_units(case: Any, tmp_path: Path) -> None:
    voxels = np.zeros((3, 64, 96, 3), np.float32)
    voxels[..., 2] = 255
    scan = replace(
        case.scan,
        voxels=voxels,
        affine_lps=np.eye(4),
        slice_origins_lps=np.zeros((3, 3)),
        units="pixel",
        window=(0.0, 255.0),
    )
    finding = replace(case.suggestion.slices[0], outlines=(), evidence_contours=())
    (path,) = write_overlays(case.with_findings(finding), scan, tmp_path)
    picture = read(path)
    assert picture.shape[1] == 768
    assert tuple(picture[100, 100]) == (0, 0, 255)
    assert edge_letters(scan) is None


def test_edge_letters(case: Any) -> None:
    def at(x: tuple[int, int, int], y: tuple[int, int, int]) -> Edges | None:
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = np.array(x) * 0.7, np.array(y) * 1.3
        return edge_letters(replace(case.scan, affine_lps=affine))

    assert at((1, 0, 0), (0, 1, 0)) == Edges("R", "L", "A", "P")  # axial
    assert at((0, 1, 0), (0, 0, -1)) == Edges("A", "P", "H", "F")  # sagittal
    assert at((1, 0, 0), (0, 0, -1)) == Edges("R", "L", "H", "F")  # coronal
    assert edge_letters(case.scan) == Edges("RA", "LP", "AL", "PR")  # turned 20 degrees
    # A radiograph has no place in the patient.
    assert edge_letters(replace(case.scan, datasets=(Dataset(),))) is None
    known = replace(case.scan, datasets=(Dataset(),), frame_of_reference_uid="1.2")
    assert edge_letters(known) is not None


@pytest.mark.parametrize("width", [0.3, 7.0, 33.3, 66.7, 350.0, 1234.5])
def test_scale_bar_is_round_and_fits(width: float) -> None:
    length = scale_bar(width)
    assert 0.1 * width < length <= 0.3 * width
    assert f"{length:.0e}"[0] in "125"


def test_nothing_of_the_patient(case: Any, tmp_path: Path) -> None:
    header = Dataset()
    header.PatientName, header.PatientID = "Doe^Jane", "SECRET-4711"
    scan = replace(case.scan, datasets=(header,) * 3, source="/archive/Doe_Jane/")
    (path,) = write_overlays(case.suggestion, scan, tmp_path)
    assert not Image.open(path).info
    for word in (b"Doe", b"Jane", b"SECRET"):
        assert word not in path.read_bytes()


def test_another_scan_is_refused(case: Any, tmp_path: Path) -> None:
    other = replace(case.scan, voxels=case.scan.voxels[:2])
    with pytest.raises(MedcontourError, match=r"2 x 64 x 96 .* 3 x 64 x 96"):
        write_overlays(case.suggestion, other, tmp_path)


def test_a_file_in_the_way_is_an_error(case: Any, tmp_path: Path) -> None:
    (tmp_path / "overlay").write_text("")
    with pytest.raises(MedcontourError, match="overlay cannot be made"):
        write_overlays(case.suggestion, case.scan, tmp_path / "overlay")


def test_large_curves_and_a_single_image(case: Any, contour_of: Any, tmp_path: Path) -> None:
    """Curves that fill the image are not shown a second time; there is no index to name."""
    scan = replace(
        case.scan, voxels=case.scan.voxels[:1], slice_origins_lps=case.scan.slice_origins_lps[:1]
    )
    large = contour_of("outline", case.outline.scaled(2), scan, 0)
    finding = replace(case.suggestion.slices[0], slice=0, outlines=(large,), evidence_contours=())
    suggestion = case.with_findings(finding, scan=replace(case.suggestion.scan, shape=(1, 64, 96)))
    (path,) = write_overlays(suggestion, scan, tmp_path)
    picture = read(path)
    part, scale = whole_slice(picture, case)
    assert picture.shape[1] == part.shape[1]
    distance = case.outline.scaled(2).distance(to_plane(coloured(part, OUTLINE), scale))
    assert np.abs(distance).max() * scale < 1.7


@pytest.mark.parametrize("status", STATUSES)
def test_says_what_the_page_says(status: Any, case: Any, report: Report) -> None:
    """Every warning of this slice, in the same words; of other slices and files none."""
    part = replace(case.suggestion.slices[0], status=status, note="Look at “this”.", outlines=())
    others = ("The outline on slice 3 may have run out.", "The header has no time.")
    suggestion = case.with_findings(part, notes=others)
    page, said = report(suggestion).words, caption(suggestion.findings[0], part, suggestion)
    for sentence in said[1:]:
        assert sentence.removesuffix("outline.") in page
    assert said[0] == f"nodule 1, score 0.93. Slice 2 of 3 (index 1). {status.capitalize()}."
    for sentence in (part.note, "No outline.", verdict(part)):
        assert sentence in said
    assert not set(others) & set(said)
    assert "Research use; not a medical device." in said


def test_a_classifier_that_calls_every_slice_so_is_remarked_upon(case: Any) -> None:
    part, many = case.suggestion.slices[0], dict.fromkeys(range(10), 0.9)
    for scores, number in ((many, 1), (many | {4: 0.1}, 0), ({1: 0.9}, 0)):
        suggestion = case.with_findings(part, slice_scores=scores)
        said = caption(suggestion.findings[0], part, suggestion)
        assert sum("calls all 10 slices nodule" in sentence for sentence in said) == number


def test_an_outline_that_goes_on_is_not_said_to_be_drawn_by_a_reader(case: Any) -> None:
    part = replace(case.suggestion.slices[0], evidence=None, evidence_contours=())
    suggestion = case.with_findings(part)
    said = " ".join(caption(suggestion.findings[0], part, suggestion))
    assert "its outline goes on from" in said
    assert "reader" not in said


def test_a_warning_makes_room_for_itself(case: Any, tmp_path: Path) -> None:
    part = replace(case.suggestion.slices[0], note="Look at this. " * 20)
    (noted,) = write_overlays(case.with_findings(part), case.scan, tmp_path / "noted")
    (plain,) = write_overlays(case.suggestion, case.scan, tmp_path / "plain")
    with_note, without = read(noted), read(plain)
    slice_rows = whole_slice(without, case)[0].shape[0]
    assert with_note.shape[0] > without.shape[0]
    assert (with_note[slice_rows:] > 200).sum() > 1.5 * (without[slice_rows:] > 200).sum()
