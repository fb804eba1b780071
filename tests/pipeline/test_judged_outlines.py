"""Outlines that fail: what lies under the object, what is far larger than its evidence, nothing."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import planted
import pytest
import torch

import medcontour as mc
from medcontour.contour import FourierContour, PlaneGeometry, PlaneShape
from medcontour.explain import Perturbation, TargetObjective
from medcontour.outline import Outline, outline_candidates
from medcontour.pipeline.outlines import (
    FOLLOWS_EVIDENCE,
    Offer,
    against_size,
    offer_outlines,
    outline_notes,
    passing,
)

PLANES = [PlaneGeometry(96, 128), PlaneGeometry(64, 128, (2.0, 1.0))]


def circle(radius: float) -> FourierContour:
    return FourierContour.circles(torch.zeros(1, 2), torch.tensor([radius]))


def found(radius: float, energy: float = -3.0, *, clear: bool = True) -> Outline:
    return Outline(circle(radius), energy, clear)


def on_a_body() -> np.ndarray:
    """(rows, columns): a dark surround, a bright body, and on it something a little brighter."""
    plane = np.zeros((planted.ROWS, planted.COLUMNS), np.float32)
    noise = np.random.default_rng(3).uniform(-0.05, 0.05, plane.shape)
    body = planted.disc((32.0, 24.0), 17.0)
    plane[body] = 0.3 + noise[body].astype(np.float32)
    plane[planted.disc((34.0, 22.0), 6.0)] = 0.95
    return plane


@pytest.mark.parametrize("plane", PLANES, ids=["square pixels", "tall pixels"])
def test_a_boundary_that_takes_most_of_the_body_fails_whatever_its_energy(
    plane: PlaneGeometry,
) -> None:
    body = float(circle(0.6).area_inside(plane))
    kept = passing([found(0.58, -9.0), found(0.2), found(0.3, clear=False)], body)
    assert [round(float(one.contour.mean_radius), 2) for one in kept] == [0.2]


def test_a_boundary_costs_more_the_larger_it_is_than_its_evidence_and_nothing_where_smaller() -> (
    None
):
    radii = (0.1, 0.2, 0.4, 0.8)
    energies = against_size([found(r) for r in radii], [-3.0] * 4, circle(0.2))
    assert energies[:2] == [-3.0, -3.0]
    steps = np.diff(energies[1:])
    assert (steps > 0).all()
    assert steps[0] == pytest.approx(steps[1]), "so much for each time that it is twice as wide"


def test_the_best_is_the_one_with_the_least_energy_and_none_from_0_on() -> None:
    some = (found(0.2), found(0.3), found(0.4))
    assert Offer(some, (-1.0, -2.0, -0.5), 1.0).best is some[1]
    assert Offer(some, (0.0, 0.5, 1.0), 1.0).best is None
    assert Offer((), (), 1.0).best is None


def test_the_outline_of_something_on_a_body_is_not_the_bodys() -> None:
    scan, classifier = planted.scan_of(on_a_body()), planted.classifier(planted.Spots())
    [part] = mc.suggest(scan, classifier).slices
    [outline] = part.outlines
    truth = planted.disc((34.0, 22.0), 6.0)
    assert planted.dice(part.mask(scan), truth) > 0.85
    assert "edge" in outline.quality


def test_an_outline_far_smaller_or_larger_than_its_evidence_is_said() -> None:
    [smaller] = outline_notes([circle(0.3)], [found(0.1)], in_stack=False)
    assert "a part of the object only" in smaller
    assert not list(outline_notes([circle(0.3)], [found(0.1)], in_stack=True))
    for in_stack in (False, True):
        [larger] = outline_notes([circle(0.1)], [found(0.3)], in_stack=in_stack)
        assert "run out" in larger
        assert not list(outline_notes([circle(0.1)], [found(0.2)], in_stack=in_stack))


class Nothing:
    """An outliner that finds no boundary."""

    def __call__(
        self,
        images: torch.Tensor,
        plane: PlaneGeometry,
        evidence: PlaneShape,
        *_: object,
        **__: object,
    ) -> list[list[Outline]]:
        return [[] for _ in images]


def test_an_image_without_a_boundary_has_its_evidence_contour_for_an_outline_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medcontour.pipeline.outliners.outliner", lambda _: Nothing())
    plane = planted.with_spots([planted.SPOT])
    scan, classifier = (
        planted.scan_of(plane, spacing=(2.0, 1.0)),
        planted.classifier(planted.Spots()),
    )
    suggestion = mc.suggest(scan, classifier)
    [part] = suggestion.slices
    [outline], [evidence] = part.outlines, part.evidence_contours
    assert (outline.kind, evidence.kind) == ("outline", "evidence")
    assert np.array_equal(outline.polygon_lps_mm, evidence.polygon_lps_mm)
    assert FOLLOWS_EVIDENCE in part.note
    suggestion.save(tmp_path, ["labelmap", "report"])
    label_map = np.asarray(nibabel.load(tmp_path / "labelmap.nii.gz").dataobj)
    assert (label_map[..., 0].T > 0).sum() == part.mask(scan, "evidence").sum() > 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert FOLLOWS_EVIDENCE in text
    document = json.loads((tmp_path / "suggestion.json").read_text(encoding="utf-8"))
    [written] = document["findings"][0]["slices"][0]["outlines"]
    assert written["quality"]["follows"] == "evidence contour"


def test_in_a_stack_a_slice_without_a_boundary_has_no_outline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("medcontour.pipeline.outliners.outliner", lambda _: Nothing())
    planes = [planted.ground(1), planted.with_spots([planted.SPOT]), planted.ground(2)]
    [part] = mc.suggest(planted.scan_of(*planes), planted.classifier(planted.Spots())).slices
    assert part.outlines == ()
    assert "no outline" in part.note


@pytest.mark.parametrize("plane", PLANES, ids=["square pixels", "tall pixels"])
def test_where_the_classifier_does_not_say_the_polarity_of_the_set_decides(
    plane: PlaneGeometry,
) -> None:
    """The evidence straddles the edge between something bright and something as dark."""
    away = [
        (plane.pixel_centres() - torch.tensor(center)).norm(dim=-1)
        for center in ((-0.2, 0.0), (0.2, 0.0))
    ]
    image = 0.5 + 0.4 * (away[0] < 0.16).float() - 0.4 * (away[1] < 0.16).float()
    noise = np.random.default_rng(1).normal(0, 0.02, image.shape)
    image = image + torch.from_numpy(noise).float()
    inputs = image[None, None]
    blind = TargetObjective(
        lambda x: x.mean((-1, -2)) + 1.0, inputs, torch.zeros_like(inputs), target=0
    )
    perturbation = Perturbation(inputs, torch.zeros_like(inputs), plane.pixel_centres(), plane)
    found = []
    for expected in (0.9, -0.9):
        [offer], _ = offer_outlines(
            perturbation,
            blind,
            image[None],
            plane,
            circle(0.12),
            torch.tensor([0]),
            [plane.area],
            outliner=outline_candidates,
            expected=expected,
        )
        assert offer.best is not None
        found.append(float(offer.best.quality["contrast"]))
        assert np.sign(offer.polarity) == np.sign(expected)
    assert found[0] > 0 > found[1]
