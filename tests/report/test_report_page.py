"""The report as text: what it says, holds and hides."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from report_page import Page, Report

from medcontour.errors import MedcontourError
from medcontour.report import write_report
from medcontour.report.pictures import CURVE_COLOURS
from medcontour.report.words import entries, probability, summary
from medcontour.results import PlacedContour, Views


def test_says_what_was_found_and_why(report: Report) -> None:
    text = report().words
    for phrase in (
        "1 of 3 slices is called “nodule”. 1 finding is suggested, with an outline to edit.",
        "nodule 1: slice 2 of 3",
        "2 of 3; index 1 in suggestion.json and for --slices",
        "1.2.826.0.1.3680043.8.498.1",
        "The outline is what you edit. The evidence contour says why it is there; "
        "it is not the lesion's extent.",
        "Random places do not do as well (it holds in 4 of 4 altered views, p = 0.05).",
        "Altered views it holds in 4 of 4",
        "Research use; not a medical device",
        "NLDL) 2026, PMLR 307:201–210",
        "0123456789ab…",
        "evaluations 52.0",
        "(contrast 3.21, polarity dark)",
        "Dashed: slices above 0.5",
    ):
        assert phrase in text
    figures = re.search("the original (.*?) How it was judged", text)
    assert figures
    assert re.findall(r"[01]\.\d\d", figures[1]) == ["0.93", "0.91", "0.11", "0.07", "0.21", "0.88"]


def test_holds_all_and_fetches_nothing(report: Report, tmp_path: Path) -> None:
    page = report()
    names = [found["id"] for _, found in page.elements if "id" in found]
    assert len(names) == len(set(names))
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "poster", "data", "srcset"):
            link = attributes.get(name, "data:")
            assert link.startswith("data:") or link.removeprefix("#") in names
    raw = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", raw)
    assert not page.all("script")


def test_is_accessible(report: Report) -> None:
    page = report()
    assert page.all("html", lang="en")
    assert all(found["alt"] for found in page.all("img"))
    pictures = [found for found in page.all("svg") if found.get("aria-hidden") != "true"]
    assert all(found["role"] == "img" and found["aria-label"] for found in pictures)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    inputs = {found["id"] for found in page.all("input")}
    assert inputs == {found["for"] for found in page.all("label")}


def test_curves_are_exact(small_case: Any, tmp_path: Path) -> None:
    """Both panels share millimetres of the plane with the curves, to a thousandth."""
    write_report(small_case.suggestion, small_case.scan, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    outline, evidence = page.all("path", class_="curve")
    for path, truth in ((outline, small_case.outline), (evidence, small_case.evidence)):
        points = np.array([p.split(",") for p in path["d"].strip("MZ").split()], float)
        assert points == pytest.approx(truth.points(256), abs=1.5e-3)
    whole, near = (
        [float(n) for n in found["viewbox"].split()] for found in page.all("svg", class_="panel")
    )
    assert whole == pytest.approx([-0.3, -0.85, 96 * 0.6, 64 * 1.7], abs=1e-4)
    picture = page.all("image")[-1]
    box = [float(picture[name]) for name in ("x", "y", "width", "height")]
    assert box == near
    # The enlarged picture holds the very pixels that its box names.
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture["href"].split(",")[1]))))
    left, top = round((near[0] + 0.3) / 0.6), round((near[1] + 0.85) / 1.7)
    plane = small_case.scan.voxels[1, top : top + shown.shape[0], left : left + shown.shape[1]]
    assert shown == pytest.approx((plane + 500) / 600 * 255, abs=0.51)
    assert near[2:] == pytest.approx([shown.shape[1] * 0.6, shown.shape[0] * 1.7], abs=1e-3)


def test_nothing_of_the_patient(case: Any, report: Report, tmp_path: Path) -> None:
    header = Dataset()
    header.PatientName, header.PatientID = "Doe^Jane", "SECRET-4711"
    header.PatientBirthDate, header.InstitutionName = "19610203", "St. Elsewhere"
    report(datasets=(header,) * 3, source="/archive/Doe_Jane/ct")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for word in ("Doe", "Jane", "SECRET-4711", "19610203", "Elsewhere", "archive"):
        assert word not in text


def test_escapes_what_it_is_given(case: Any, report: Report) -> None:
    finding = replace(
        case.suggestion.slices[0], label="<b>x</b>", note='<script>alert("1")</script>'
    )
    classifier = replace(case.suggestion.classifier, target_name="<b>x</b>", name='"><i>')
    page = report(case.with_findings(finding, classifier=classifier, settings={"<u>": "<u>"}))
    assert not page.all("b")
    assert not page.all("script")
    assert not page.all("u")
    assert "Suggested contours: <b>x</b>" in page.words
    assert '<script>alert("1")</script>' in page.words


def test_same_input_same_bytes_apart_from_the_run_record(case: Any, tmp_path: Path) -> None:
    runs = ({"seconds": 1.5}, {"seconds": 1.5}, {"seconds": 99.25})
    texts = []
    for number, run in enumerate(runs):
        path = tmp_path / f"{number}.html"
        write_report(replace(case.suggestion, run=run), case.scan, path)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert texts[2] == texts[0].replace(b"<td>1.5</td>", b"<td>99.25</td>") != texts[0]


def test_nothing_found(case: Any, report: Report) -> None:
    scores = {0: 0.05, 1: 0.02, 2: 0.12}
    page = report(case.with_findings(slice_scores=scores))
    sentence = "Nothing was found: the highest score for “nodule” is 0.12, on slice 3 of 3."
    assert sentence in page.words
    assert "p value" not in page.words
    assert not page.all("details")
    assert page.all("svg", class_="strip")


def test_views(case: Any, report: Report) -> None:
    page = report()
    assert [found["alt"].split(": ")[1] for found in page.all("img")] == [
        "original",
        "only the inside kept",
        "inside removed",
    ]
    assert "Even grey: outside what the classifier sees." in page.words
    first = Image.open(io.BytesIO(base64.b64decode(page.all("img")[0]["src"].split(",")[1])))
    assert len(set(np.asarray(first)[:, :6].ravel())) == 1
    assert (
        "What the classifier was shown"
        not in report(case.with_findings(replace(case.suggestion.slices[0], views=None))).words
    )


def test_statuses_and_missing_outlines_are_said(case: Any, report: Report) -> None:
    good = case.suggestion.slices[0]
    weak = replace(good, slice=0, status="no better than random places", outlines=())
    gone = replace(good, slice=2, status="collapsed", outlines=(), evidence_contours=())
    page = report(case.with_findings(weak, good, gone))
    assert (
        "3 of 3 slices are called “nodule”. 1 finding is suggested, with an outline to edit. "
        "1 is left out: its evidence is no better than random places. "
        "1 is left out: its contour collapsed."
    ) in page.words
    assert "Random places do as well too often" in page.words
    assert "The contour collapsed:" in page.words
    assert len(page.all("span", class_="badge no-better-than-random-places")) == 2  # table and card
    assert page.words.count("No outline") == 2
    plain = case.with_findings(replace(good, outlines=()), settings={"outline": "none"})
    assert "1 finding is suggested. Findings" in report(plain).words


def test_pixels_where_there_are_no_millimetres(case: Any, report: Report) -> None:
    flat = {"affine_lps": np.eye(4), "slice_origins_lps": np.zeros((3, 3)), "units": "pixel"}
    page = report(**flat)
    assert "mm" not in page.words.replace("mmcontour", "")
    assert f"{case.outline.area:.0f} pixels" in page.words
    assert not [found for found in page.all("text") if found.get("text-anchor") == "middle"
                and found.get("class") == "mark"]  # fmt: skip


def test_a_single_image(case: Any, report: Report, contour_of: Any) -> None:
    scan = replace(
        case.scan, voxels=case.scan.voxels[:1], slice_origins_lps=case.scan.slice_origins_lps[:1]
    )
    finding = replace(
        case.suggestion.slices[0],
        slice=0,
        outlines=(contour_of("outline", case.outline, scan, 0),),
        evidence_contours=(contour_of("evidence", case.evidence, scan, 0),),
    )
    reference = replace(case.suggestion.scan, shape=(1, 64, 96))
    suggestion = case.with_findings(finding, scan=reference, slice_scores={0: 0.93})
    page = report(suggestion, voxels=scan.voxels, slice_origins_lps=scan.slice_origins_lps)
    assert "The image is called “nodule”." in page.words
    assert "nodule 1" in page.words
    assert not page.all("svg", class_="strip")
    nothing = replace(suggestion, findings=(), slice_scores={0: 0.001})
    assert summary(nothing) == ["Nothing was found: the score of the image for “nodule” is <0.01."]


def test_summary_of_part_of_a_scan(case: Any) -> None:
    some = replace(case.suggestion, slice_scores={0: 0.2, 1: 0.93})
    assert summary(some)[0] == (
        "1 of the 2 slices that were looked at is called “nodule”; the scan has 3."
    )
    edited = summary(replace(some, edited=True))
    assert edited[-1] == "A person has edited these contours."
    assert summary(replace(some, findings=()))[0].endswith(
        "slice 2 of 3 (2 slices were looked at)."
    )
    none = replace(some, findings=(), slice_scores={})
    assert summary(none) == ["Nothing was found: no slice was looked at."]


@pytest.mark.slow
def test_a_hundred_findings_stay_readable(case: Any, tmp_path: Path) -> None:
    """On noisy slices of 512 x 512, where pictures weigh most."""
    rng = np.random.default_rng(0)
    noise = rng.normal(-200, 60, (1, 512, 512)).astype(np.float32)
    scan = replace(case.scan, voxels=noise, slice_origins_lps=case.scan.slice_origins_lps[:1])
    finding = case.suggestion.slices[0]
    finding = replace(
        finding,
        slice=0,
        outlines=tuple(replace(c, slice=0) for c in finding.outlines),
        evidence_contours=tuple(replace(c, slice=0) for c in finding.evidence_contours),
    )
    view = (noise[0] + 500) / 600
    finding = replace(finding, views=Views(view, view, view))
    for number, opened in ((1, 1), (100, 12)):
        suggestion = case.with_findings(
            *(finding,) * number,
            scan=replace(case.suggestion.scan, shape=(1, 512, 512)),
            slice_scores={0: 0.93},
        )
        path = tmp_path / f"{number}.html"
        write_report(suggestion, scan, path)
        page = Page(path.read_text(encoding="utf-8"))
        cards = page.all("details")
        assert len(cards) == number
        assert sum("open" in card for card in cards) == opened
        assert path.stat().st_size < 200_000 * number + 30_000


def test_another_scan_is_refused(case: Any, tmp_path: Path) -> None:
    other = replace(case.scan, voxels=case.scan.voxels[:, :50])
    with pytest.raises(MedcontourError, match="give the scan it was made on"):
        write_report(case.suggestion, other, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error(case: Any, tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match="cannot be written"):
        write_report(case.suggestion, case.scan, tmp_path / "absent" / "report.html")


def test_curve_colours_are_okabe_and_itos() -> None:
    assert CURVE_COLOURS == {"outline": "#56B4E9", "evidence": "#E69F00"}


def test_several_contours_of_one_finding(case: Any, report: Report) -> None:
    finding = case.suggestion.slices[0]
    twice: tuple[PlacedContour, ...] = finding.outlines * 2
    page = report(case.with_findings(replace(finding, outlines=twice)))
    assert len(page.all("path", class_="curve")) == 3


def test_figures_in_words() -> None:
    """No certainty that the figure does not have."""
    values = (0.0, 0.0001, 0.934, 0.9949, 0.9951, 1.0)
    assert [probability(value) for value in values] == [
        "0.00",
        "<0.01",
        "0.93",
        "0.99",
        ">0.99",
        "1.00",
    ]
    assert entries({"target_area": None, "slices": [0, 4]}) == [
        ("target area", "not set"),
        ("slices", "[0, 4]"),
    ]


def test_summary_counts_outlines(case: Any) -> None:
    good = case.suggestion.slices[0]
    bare = replace(good, slice=2, outlines=())
    weak = replace(good, status="no better than random places")
    sentences = [
        summary(case.with_findings(*findings))[1]
        for findings in ((good, good), (good, bare), (bare, bare), (weak, weak))
    ]
    assert sentences == [
        "2 findings are suggested, each with an outline to edit.",
        "2 findings are suggested, 1 of them with an outline to edit.",
        "2 findings are suggested, none of them with an outline to edit.",
        "No finding is suggested.",
    ]
    assert summary(case.with_findings(weak, weak))[2:] == [
        "2 are left out: their evidence is no better than random places."
    ]
