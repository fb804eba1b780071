"""Outliners by name: the one that comes along, and another package's."""

from __future__ import annotations

from pathlib import Path

import planted
import pytest
from third_party import installed

import medcontour as mc
from medcontour.outline import outline_candidates, outliner
from medcontour.plugins import OUTLINERS

TWICE = """
    import torch
    from medcontour.outline import Outline

    def added(images, plane, evidence, polarity=None, *, most, measured=None):
        from medcontour.contour import FourierContour
        radius = (2 * evidence.area() / torch.pi).sqrt()
        circles = FourierContour.circles(evidence.center, radius)
        return [[Outline(circles[[k]], -1.0, True, {"sure": 0.5})] for k in range(len(evidence))]
"""


def test_region_comes_along() -> None:
    assert outliner("region") is outline_candidates


def test_another_package_adds_an_outliner(tmp_path: Path) -> None:
    scan = planted.scan_of(planted.with_spots([planted.SPOT]), spacing=(1.0, 0.8))
    classifier = planted.classifier(planted.Spots())
    with pytest.raises(mc.MedcontourError, match='no outline "twice"; choose from region, none'):
        mc.suggest(scan, classifier, outline="twice")
    with installed(tmp_path, OUTLINERS, "twice", TWICE):
        with pytest.raises(mc.MedcontourError, match=r'no outline "thrice".*region, twice, none'):
            mc.Settings(outline="thrice")
        suggestion = mc.suggest(scan, classifier, outline="twice")
    [finding] = suggestion
    [evidence], [outline] = finding.evidence_contours, finding.outlines
    assert outline.area_mm2 == pytest.approx(2 * evidence.area_mm2, rel=0.01)
    assert outline.quality["sure"] == 0.5
    assert suggestion.settings["outline"] == "twice"
    suggestion.write_json(tmp_path / "suggestion.json")
    read = mc.Suggestion.read_json(tmp_path / "suggestion.json")
    assert (read.settings["outline"], read.editable) == ("twice", "outline")


@pytest.mark.parametrize(
    ("module", "said"), [("added = 5", "is no medcontour"), ("1 / 0", "cannot be loaded")]
)
def test_an_outliner_that_is_none_names_its_package(tmp_path: Path, module: str, said: str) -> None:
    with (
        installed(tmp_path, OUTLINERS, "broken", module),
        pytest.raises(mc.MedcontourError, match=f'outliner "broken" of the package .*{said}'),
    ):
        outliner("broken")
