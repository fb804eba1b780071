"""A finding on all its slices."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report_page import Report

from medcontour.report.cards import make_cards
from medcontour.report.montage import MOST, make_montage
from medcontour.results import make_finding


def long_case(case: Any, contour_of: Any, slices: int) -> tuple[Any, Any]:
    """A finding on so many slices, each of another brightness, and its scan."""
    step = case.scan.affine_lps[:3, 2]
    levels = np.linspace(-400, 0, slices, dtype=np.float32)[:, None, None]
    scan = replace(
        case.scan,
        voxels=np.broadcast_to(levels, (slices, 64, 96)),
        slice_origins_lps=case.scan.affine_lps[:3, 3] + np.arange(slices)[:, None] * step,
    )
    parts = [
        replace(
            case.suggestion.slices[0],
            slice=k,
            outlines=(contour_of("outline", case.outline.scaled(0.3), scan, k),),
            evidence_contours=(contour_of("evidence", case.evidence, scan, k),),
            views=None,
        )
        for k in range(slices)
    ]
    reference = replace(case.suggestion.scan, shape=(slices, 64, 96))
    finding = make_finding(parts, 1, scan)
    scores = dict.fromkeys(range(slices), 0.9)
    return (
        replace(case.suggestion, scan=reference, findings=(finding,), slice_scores=scores),
        scan,
    )


@pytest.mark.parametrize("slices", [2, MOST, MOST + 1, 61])
def test_each_slice_is_shown_or_counted(case: Any, contour_of: Any, slices: int) -> None:
    suggestion, scan = long_case(case, contour_of, slices)
    [cards] = make_cards(suggestion, scan)
    montage = make_montage(cards, scan)
    assert montage is not None
    shown = [thumbnail.slice for thumbnail in montage.thumbnails]
    assert shown == sorted(set(shown))
    assert shown[0] == 0
    assert shown[-1] == slices - 1
    assert len(shown) == min(slices, MOST)
    assert len(shown) + montage.more == slices
    assert np.ptp(np.diff(shown)) <= 1
    card_of = {card.number: card.part.slice for card in cards}
    assert [card_of[thumbnail.card] for thumbnail in montage.thumbnails] == shown


def test_pictures_are_of_their_slices_around_the_outlines(case: Any, contour_of: Any) -> None:
    suggestion, scan = long_case(case, contour_of, 5)
    [cards] = make_cards(suggestion, scan)
    montage = make_montage(cards, scan)
    assert montage is not None
    for thumbnail in montage.thumbnails:
        encoded = thumbnail.picture.split(",")[1]
        grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))).astype(float)
        level = (scan.voxels[thumbnail.slice, 0, 0] + 500) / 600 * 255
        assert grey == pytest.approx(np.full_like(grey, level), abs=1.5)
        [curve] = thumbnail.curves  # the outline without the evidence
        points = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", curve.path), float)
        assert (points > (montage.x, montage.y)).all()
        assert (points < (montage.x + montage.width, montage.y + montage.height)).all()
        truth = case.outline.scaled(0.3).points(256)
        assert points == pytest.approx(truth, abs=1.5e-3)


def test_the_page_numbers_them_and_leads_to_them(
    case: Any, report: Report, contour_of: Any
) -> None:
    suggestion, scan = long_case(case, contour_of, 40)
    page = report(suggestion, voxels=scan.voxels, slice_origins_lps=scan.slice_origins_lps)
    pictures = page.all("svg", class_="thumbnail")
    assert len(pictures) == MOST
    assert f"{MOST} of its 40 slices, evenly spread" in page.words
    assert f"and {40 - MOST} more" in page.words
    numbers = [re.search(r"slice (\d+) of 40", found["aria-label"]) for found in pictures]
    assert [int(number[1]) for number in numbers if number][:2] == [1, 4]  # counted from 1
    names = {found.get("id") for _, found in page.elements}
    assert {found["href"][1:] for found in page.all("a")} <= names


def test_missing_outlines_and_notes_are_marked(case: Any, report: Report, contour_of: Any) -> None:
    suggestion, scan = long_case(case, contour_of, 3)
    first, second, third = suggestion.findings[0].slices
    parts = (replace(first, outlines=()), second, replace(third, note="Look at this."))
    suggestion = replace(suggestion, findings=(make_finding(parts, 1, scan),))
    page = report(suggestion, voxels=scan.voxels, slice_origins_lps=scan.slice_origins_lps)
    labels = [found["aria-label"] for found in page.all("svg", class_="thumbnail")]
    assert [label.endswith("no outline") for label in labels] == [True, False, False]
    assert "All its 3 slices 1no outline 2 3note" in page.words


def test_without_outlines_the_largest_evidence_of_one_score_is_shown_first(
    case: Any, contour_of: Any
) -> None:
    suggestion, scan = long_case(case, contour_of, 3)
    parts = [
        replace(
            part,
            outlines=(),
            evidence_contours=(contour_of("evidence", case.evidence.scaled(size), scan, k),),
        )
        for k, (part, size) in enumerate(
            zip(suggestion.findings[0].slices, (0.5, 1.0, 0.7), strict=True)
        )
    ]
    [cards] = make_cards(replace(suggestion, findings=(make_finding(parts, 1, scan),)), scan)
    assert [card.part.slice for card in cards] == [1, 0, 2]
    assert [card.largest for card in cards] == [True, False, False]


def test_one_slice_is_no_montage(report: Report) -> None:
    assert not report().all("svg", class_="thumbnail")
