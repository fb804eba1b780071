"""The two commands, run on little, and their figures made again from what they rest on."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import breast_lesions
import numpy as np
import pytest
import sample_study
import SimpleITK as sitk
from PIL import Image
from scipy.ndimage import center_of_mass
from skimage.draw import polygon2mask
from skimage.segmentation import find_boundaries

import medcontour as mc

SLICE = 13


def run(
    script: Any, monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: str
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    monkeypatch.setattr(sys, "argv", ["script", "--out", str(out), *arguments])
    script.main()
    with (out / "per_image.csv").open(newline="") as table:
        return json.loads((out / "table.json").read_text()), list(csv.DictReader(table))


@pytest.mark.slow
def test_sample_study(tmp_path: Path, sample_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only = f"{SLICE}:{SLICE + 1}"
    document, records = run(sample_study, monkeypatch, tmp_path, "--slices", only)
    scan = mc.read_scan(sample_data / "ct_study")
    classifier = mc.load_classifier(sample_data / "nodule_classifier")
    (found,) = mc.suggest(scan, classifier, slices=slice(SLICE, SLICE + 1)).findings
    (finding,) = found.slices
    truth_image = sitk.ReadImage(str(sample_data / "truth" / "nodules.nii.gz"))
    column_mm, row_mm, _ = truth_image.GetSpacing()
    labels = sitk.GetArrayFromImage(truth_image)[SLICE]

    assert [record["method"].split(" (")[0] for record in records] == [
        "evidence contour",
        "outline",
        "Grad-CAM++",
    ]
    for record, placed in zip(
        records, (*finding.evidence_contours, *finding.outlines), strict=False
    ):
        truth = labels == int(record["nodule"])
        index = [
            truth_image.TransformPhysicalPointToContinuousIndex(point)[:2]
            for point in placed.polygon_lps_mm.tolist()
        ]
        mask = polygon2mask(truth.shape, np.array(index)[:, ::-1])
        overlap = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
        assert float(record["Dice"]) == pytest.approx(overlap, abs=0.03)
        away = np.subtract(center_of_mass(mask), center_of_mass(truth)) * (row_mm, column_mm)
        assert float(record["distance mm"]) == pytest.approx(np.linalg.norm(away), abs=0.3)
        length = find_boundaries(truth, connectivity=1, mode="inner").sum()
        assert float(record["boundary mm"]) == pytest.approx(length * np.sqrt(row_mm * column_mm))
        assert 0 <= float(record["APL mm"]) <= float(record["boundary mm"])
    rows = document["tables"]["Slices with a nodule"]
    for row, record in zip(rows, records, strict=False):
        assert (row["nodules"], row["n"]) == ("all", 1)
        assert row["Dice, mean"] == row["Dice, median"] == float(record["Dice"])

    (row,) = document["tables"]["Findings"]
    assert (row["finding"], row["nodule"]) == (found.name, int(records[1]["nodule"]))
    assert row["status"] == found.status
    truth, mask = labels == row["nodule"], found.mask()[SLICE]
    overlap = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    assert row["Dice"] == pytest.approx(overlap)
    assert row["volume mm3"] == found.volume_mm3
    height_mm = truth_image.GetSpacing()[2]
    assert row["truth mm3"] == pytest.approx(truth.sum() * row_mm * column_mm * height_mm)
    assert row["ratio"] == row["volume mm3"] / row["truth mm3"]
    assert row["APL mm"] == pytest.approx(float(records[1]["APL mm"]))
    assert row["distance mm"] == pytest.approx(float(records[1]["distance mm"]), abs=0.3)
    assert "Of 1 exported outlines 0 contain no nodule" in (tmp_path / "table.md").read_text()

    assert document["settings"]["weights_sha256"] == classifier.weights_sha256
    assert "| all | evidence contour | 1 |" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
@pytest.mark.shared_data
def test_breast_lesions(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data / "busi"
    arguments = ("--data", str(data), "--split", "tune", "--images", "2")
    document, records = run(breast_lesions, monkeypatch, tmp_path, *arguments)
    (rows,) = document["tables"].values()
    assert len(rows) == 6
    for row in rows:
        own = [record for record in records if record["method"] == row[""]]
        assert row["n"] == len(own) == len({record["file"] for record in records})
        assert row["none found"] == sum(record["found"] == "False" for record in own)
        for figure in ("pointing game", "relevance mass", "Dice"):
            values = [float(record[figure]) for record in own]
            assert all(0 <= value <= 1 for value in values)
            mean, (low, high) = row[figure]
            assert mean == pytest.approx(np.mean(values))
            assert low <= mean <= high
    for record in records:
        mask = np.asarray(Image.open(data / "masks" / record["file"]).convert("L")) > 127
        assert float(record["lesion share"]) == pytest.approx(mask.mean())
    split = (breast_lesions.ROOT / "sample_data/breast_us_classifier/docs/split.csv").read_text()
    assert all(f"{record['file']},tune" in split for record in records)
