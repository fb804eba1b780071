"""A reader's click or rough contour leads to the lesion there; a limit of cost is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sample_run import SampleRun
from skimage.draw import polygon2mask

import medcontour as mc
from medcontour.pipeline.allowance import most_a_slice


@pytest.fixture(scope="module")
def nodule(sample_run: SampleRun, sample_data: Path) -> tuple[int, np.ndarray]:
    """A slice with a nodule, and (rows, columns) where it lies in truth."""
    import nibabel

    truth = nibabel.load(sample_data / "truth" / "nodules.nii.gz")
    labels = mc.read_scan(sample_data / "ct_study").grid.to_scan(np.asarray(truth.dataobj))
    k = sample_run.slices.start + 1
    values, sizes = np.unique(labels[k][labels[k] > 0], return_counts=True)
    return k, labels[k] == values[sizes.argmax()]


def square_about(scan: mc.Scan, k: int, row: float, column: float, side: float) -> np.ndarray:
    """(4, 3) LPS mm: a rough square, `side` pixels across."""
    half = side / 2
    return scan.to_lps(
        [
            (column - half, row - half),
            (column + half, row - half),
            (column + half, row + half),
            (column - half, row + half),
        ],
        k,
    )


def test_a_rough_square_leads_to_the_nodule_in_it(sample_run: SampleRun, nodule) -> None:
    k, truth = nodule
    scan = sample_run.scan
    row, column = np.argwhere(truth).mean(0)
    side = 1.5 * np.sqrt(truth.sum())
    start = square_about(scan, k, row, column, side)
    snapped = mc.snap(scan, sample_run.classifier, {k: start}, "nodule")
    [finding] = snapped.slices
    assert finding.slice == k
    assert finding.score == pytest.approx(
        sample_run.suggestion.slice_scores[k], abs=1e-5
    )  # the same slice and classifier
    [outline] = finding.outlines
    index = scan.to_index(outline.polygon_lps_mm, k)
    mask = polygon2mask(truth.shape, index[:, ::-1])
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.7
    document = json.loads(snapped.to_json())
    assert document["settings"]["start"] == "reader"


def test_starts_that_are_not_there_are_refused(sample_run: SampleRun) -> None:
    scan = sample_run.scan
    with pytest.raises(mc.MedcontourError, match="No place to start from"):
        mc.snap(scan, sample_run.classifier, {})
    square = square_about(scan, 0, 50, 50, 10)
    with pytest.raises(mc.MedcontourError, match="There is no slice of index 40: the scan has 40"):
        mc.snap(scan, sample_run.classifier, {scan.slices: square})


@pytest.mark.slow
def test_a_limit_of_cost_is_kept_and_the_surest_slices_come_first(sample_run: SampleRun) -> None:
    run = sample_run
    most = most_a_slice(mc.Settings())
    limited = mc.suggest(
        run.scan, run.classifier, "nodule", slices=run.slices, most_evaluations=most
    )
    whole = run.suggestion
    assert len(whole.slice_scores) == 3
    spent = sum(finding.cost for finding in limited.slices)
    assert 0 < spent <= most < sum(finding.cost for finding in whole.slices)
    surest = sorted(whole.slice_scores, key=lambda k: -whole.slice_scores[k])
    done = [part.slice for part in limited.slices if part.evidence]
    assert done == sorted(surest[: len(done)])
    left = sorted(set(surest) - set(done))
    [note] = [note for note in limited.notes if "not looked at" in note]
    assert note.endswith(f"{', '.join(str(k + 1) for k in left)}.")
    assert limited.slice_scores.keys() == whole.slice_scores.keys()


@pytest.mark.slow
def test_a_limit_that_is_not_reached_changes_nothing(sample_run: SampleRun) -> None:
    run = sample_run
    most = 3 * most_a_slice(mc.Settings())
    limited = mc.suggest(
        run.scan, run.classifier, "nodule", slices=run.slices, most_evaluations=most
    )
    ours, theirs = (list(s.slices) for s in (limited, run.suggestion))
    assert [(p.slice, p.status, p.note) for p in ours] == [
        (p.slice, p.status, p.note) for p in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        for kind in ("evidence", "outline"):
            # The slices come in another order, and sums over them are rounded otherwise.
            for a, b in zip(one.contours(kind), other.contours(kind), strict=True):
                np.testing.assert_allclose(a.polygon_lps_mm, b.polygon_lps_mm, atol=1e-6)


def test_a_limit_below_one_slice_is_refused(sample_run: SampleRun) -> None:
    with pytest.raises(mc.MedcontourError, match="too few: one slice may cost"):
        mc.suggest(sample_run.scan, sample_run.classifier, "nodule", most_evaluations=20)


def test_when_the_time_is_over_nothing_more_is_looked_at(sample_run: SampleRun) -> None:
    late = mc.suggest(
        sample_run.scan, sample_run.classifier, "nodule", slices=sample_run.slices, most_seconds=0
    )
    assert not late.slices
    assert late.slice_scores.keys() == sample_run.suggestion.slice_scores.keys()
    assert any("3 slices called nodule were not looked at" in note for note in late.notes)


@pytest.mark.slow
def test_with_time_enough_every_slice_is_looked_at(sample_run: SampleRun) -> None:
    whole = mc.suggest(
        sample_run.scan,
        sample_run.classifier,
        "nodule",
        slices=sample_run.slices,
        most_seconds=3600,
    )
    assert [f.slice for f in whole.slices] == [f.slice for f in sample_run.suggestion.slices]
    assert whole.notes == sample_run.suggestion.notes
