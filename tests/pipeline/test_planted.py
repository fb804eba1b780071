"""The main job on planted scans: contours where the network looks, none where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from planted import (
    COLUMNS,
    ROWS,
    SPOT,
    Always,
    Spots,
    TextureAnywhere,
    centroid,
    chequered,
    classifier,
    dice,
    disc,
    ground,
    pixel_mask,
    polygons,
    scan_of,
    with_spots,
)
from torch import Tensor

import medcontour as mc

# What is found, and what is not


def test_the_slice_with_the_spot_is_found_and_the_other_is_not() -> None:
    suggestion = mc.suggest(scan_of(ground(1), with_spots([SPOT]), ground(2)), classifier(Spots()))
    [finding] = suggestion.slices
    assert finding.slice == 1
    assert finding.label == "spot"
    assert finding.status == "suggested"
    assert set(suggestion.slice_scores) == {0, 1, 2}
    assert finding.score == suggestion.slice_scores[1] > 0.5
    assert max(suggestion.slice_scores[0], suggestion.slice_scores[2]) < 0.5
    assert finding.evidence.preserved > 0.5 > finding.evidence.deleted
    assert finding.evidence.p_value == pytest.approx(0.05)
    assert (finding.evidence.views_held, finding.evidence.views_tested) == (4, 4)
    assert finding.evidence.placement_evaluations <= 40
    assert finding.evidence.evaluations <= 52
    truth = disc(*SPOT[:2])
    [evidence], [outline] = polygons(suggestion, "evidence"), polygons(suggestion, "outline")
    assert dice(pixel_mask(outline), truth) >= 0.92
    assert dice(pixel_mask(evidence), truth) >= 0.8
    assert np.abs(centroid(evidence[:, :2]) - SPOT[0]).max() < 1
    assert (evidence[:, 2] == 3.0).all()


def test_nothing_positive_gives_no_finding(tmp_path: Path) -> None:
    suggestion = mc.suggest(scan_of(ground(1), ground(2)), classifier(Spots()))
    assert suggestion.slices == ()
    assert len(suggestion.slice_scores) == 2
    saved = suggestion.save(tmp_path / "out", ["labelmap", "markups", "report"])
    assert json.loads((tmp_path / "out" / "suggestion.json").read_text())["findings"] == []
    label_map = nibabel.load(tmp_path / "out" / "labelmap.nii.gz")
    assert not np.asarray(label_map.dataobj).any()
    assert "markups" in saved.left_out
    assert not (tmp_path / "out" / "markups").exists()


def test_only_the_slices_asked_for_are_looked_at() -> None:
    scan = scan_of(*[with_spots([SPOT], seed=k) for k in range(5)])
    suggestion = mc.suggest(scan, classifier(Spots()), slices=slice(1, 3), outline="none")
    assert set(suggestion.slice_scores) == {1, 2}
    assert [finding.slice for finding in suggestion.slices] == [1, 2]
    assert suggestion.run["slices_looked_at"] == 2
    with pytest.raises(mc.MedcontourError, match=r"7:9 .* 5 slices"):
        mc.suggest(scan, classifier(Spots()), slices=slice(7, 9))


def test_a_burnt_in_marker_is_what_the_evidence_lies_on() -> None:
    """A shortcut: the network answers for the marker in the corner, not for the lesion."""
    plane = with_spots([((20.0, 26.0), 9.0, 0.5)])
    plane[3:11, 52:60] = 1.0
    [finding] = mc.suggest(scan_of(plane), classifier(Spots())).slices
    assert finding.status == "suggested"
    marker, lesion = np.zeros((ROWS, COLUMNS), bool), disc((20.0, 26.0), 9.0)
    marker[3:11, 52:60] = True
    evidence = pixel_mask(finding.evidence_contours[0].polygon_lps_mm)
    assert dice(evidence, marker) >= 0.7
    assert not (evidence & lesion).any()


# Several contours a slice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spots", "ceiling"),
    [
        ([((40.0, 18.0), 6.0, 0.95), ((15.0, 33.0), 4.0, 0.95)], 1e6),
        ([((40.0, 18.0), 5.0, 0.95), ((15.0, 33.0), 5.0, 0.95)], 1e6),
        ([((40.0, 18.0), 5.0, 0.95), ((15.0, 33.0), 5.0, 0.95)], 3.0),
    ],
    ids=["one larger", "alike", "alike, each enough for the whole answer"],
)
def test_two_spots_are_found_together(
    spots: list[tuple[tuple[float, float], float, float]], ceiling: float
) -> None:
    """Of four contours allowed two are left: the others add nothing."""
    scan, asked = scan_of(with_spots(spots)), classifier(Spots(ceiling=ceiling))
    for contours in (4, "auto"):
        suggestion = mc.suggest(scan, asked, contours=contours)
        assert all(finding.suggested for finding in suggestion)
        assert all(part.evidence.preserved > 0.5 for part in suggestion.slices)
        spent = sum(part.evidence.evaluations for part in suggestion.slices)
        assert spent <= (94 if contours == "auto" else 69)
        for kind, nearest in (("evidence", 3.0), ("outline", 1.0)):
            curves = list(suggestion.contours(kind))
            found = [centroid(c.polygon_lps_mm[:, :2]) for c in curves]
            assert len(found) == 2
            for centre, _, _ in spots:
                assert min(np.linalg.norm(place - centre) for place in found) < nearest
            if kind == "evidence":
                assert all(contour.quality["gain"] > 0.02 for contour in curves)


def test_each_contour_of_several_has_its_own_evidence() -> None:
    """Each is judged again here, by the classifier itself: kept alone, and taken away alone."""
    spots = [((40.0, 18.0), 5.0, 0.95), ((15.0, 33.0), 5.0, 0.95)]
    scan, asked = scan_of(with_spots(spots)), classifier(Spots(ceiling=3.0))
    suggestion = mc.suggest(scan, asked, contours="auto")
    assert [finding.number for finding in suggestion] == [1, 2]  # each is an object of its own
    for part in suggestion.slices:
        assert len(part.evidence_contours) == len(part.outlines) == 1
        assert part.evidence.preserved > 0.5
        assert part.evidence.deleted > 0.5  # the other spot is still there
        assert part.status == "suggested, deletion keeps the class"
        assert 0 < part.evidence.p_value <= 0.05


def test_what_does_not_keep_the_class_by_itself_is_left_out() -> None:
    """A small spot adds to the score of a large one, and is not enough for the class."""
    spots = [((40.0, 18.0), 6.0, 0.95), ((15.0, 33.0), 3.2, 0.95)]
    scan, asked = scan_of(with_spots(spots)), classifier(Spots())
    [finding] = mc.suggest(scan, asked, contours="auto", area_weight=0.1).slices
    [contour] = finding.evidence_contours
    assert np.linalg.norm(centroid(contour.polygon_lps_mm[:, :2]) - (40.0, 18.0)) < 3
    assert finding.status == "suggested"
    assert "left out because by themselves" in finding.note


def test_what_keeps_the_class_only_together_stays_together() -> None:
    spots = [((40.0, 18.0), 3.2, 0.95), ((15.0, 33.0), 3.2, 0.95)]
    scan, asked = scan_of(with_spots(spots)), classifier(Spots())
    [finding] = mc.suggest(scan, asked, contours="auto").slices
    assert len(finding.evidence_contours) == 2
    assert finding.evidence.preserved > 0.5
    assert {c.quality["status"] for c in finding.evidence_contours} == {"does not keep the class"}


def test_one_spot_has_one_contour_however_many_are_allowed() -> None:
    scan = scan_of(with_spots([SPOT]), spacing=(1.3, 0.8))
    [finding] = mc.suggest(scan, classifier(Spots()), contours="auto").slices
    [contour] = finding.evidence_contours
    assert len(finding.outlines) == 1
    assert np.abs(centroid(contour.polygon_lps_mm[:, :2]) - (40.0 * 0.8, 18.0 * 1.3)).max() < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.4, 0.7)])
def test_an_area_in_square_millimetres_is_held(spacing: tuple[float, float]) -> None:
    scan = scan_of(with_spots([SPOT]), spacing=spacing)
    [finding] = mc.suggest(scan, classifier(Spots()), area_mm2=150.0, outline="none").slices
    [contour] = finding.evidence_contours
    assert contour.area_mm2 == pytest.approx(150.0, rel=0.01)


@pytest.mark.parametrize("contours", [0, 9, "many"])
def test_a_number_of_contours_out_of_reach(contours: int | str) -> None:
    with pytest.raises(mc.MedcontourError, match="1 to 8, or auto"):
        mc.suggest(scan_of(ground(0)), classifier(Spots()), contours=contours)


# Evidence that is none


def test_evidence_that_could_lie_anywhere_is_no_better_than_random_places(tmp_path: Path) -> None:
    suggestion = mc.suggest(scan_of(chequered()), classifier(TextureAnywhere()))
    [finding] = suggestion.slices
    assert finding.status == "no better than random places"
    assert finding.evidence.p_value > 0.05
    assert finding.evidence.random_preserved > 0.5
    assert_left_out_unless_asked_for(suggestion, tmp_path)


class RightSide(Spots):
    """Looks at the right half alone, as a network may that was never shown a mirrored image."""

    def amount(self, images: Tensor) -> Tensor:
        right = (torch.arange(images.shape[-1]) >= images.shape[-1] // 2).to(images)
        return super().amount(images * right)


def test_a_network_that_knows_no_mirrored_image_is_said_to_be_unstable_and_not_rejected() -> None:
    place = ((50.0, 18.0), 5.0, 0.95)
    [finding] = mc.suggest(scan_of(with_spots([place])), classifier(RightSide())).slices
    assert finding.status == "suggested"
    assert "not stable under mirroring" in finding.note
    evidence = finding.evidence
    assert not evidence.stable_under_mirroring
    assert (evidence.views_held, evidence.views_tested) == (4, 4)
    assert evidence.p_value <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("answer", [0.5, 5.0])
def test_a_network_that_always_says_yes_gives_collapsed_contours(
    answer: float, tmp_path: Path
) -> None:
    suggestion = mc.suggest(scan_of(with_spots([SPOT])), classifier(Always(answer)))
    [finding] = suggestion.slices
    assert finding.status == "collapsed"
    [outline] = finding.outlines  # the contour lies inside the spot, which is clear
    assert dice(pixel_mask(outline.polygon_lps_mm), disc(*SPOT[:2])) >= 0.92
    assert "inside a clear boundary" in finding.note
    assert "background" in finding.note
    assert "still called spot" in finding.note
    assert_left_out_unless_asked_for(suggestion, tmp_path)


def assert_left_out_unless_asked_for(suggestion: mc.Suggestion, folder: Path) -> None:
    saved = suggestion.save(folder / "strong", ["labelmap", "markups", "overlay", "report"])
    assert "markups" in saved.left_out
    assert not np.asarray(nibabel.load(folder / "strong" / "labelmap.nii.gz").dataobj).any()
    [in_json] = json.loads((folder / "strong" / "suggestion.json").read_text())["findings"]
    assert in_json["status"] == suggestion.slices[0].status
    assert in_json["status"] in (folder / "strong" / "report.html").read_text()
    assert list((folder / "strong" / "overlay").glob("*.png"))

    saved = suggestion.save(folder / "all", ["labelmap", "markups"], include_weak=True)
    assert saved.left_out == {}
    names = [path.name for path in (folder / "all" / "markups").iterdir()]
    assert any("evidence" in name for name in names)


# The same again


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["target", "embedding"])
def test_the_same_seed_gives_the_same_json(objective: str) -> None:
    scan = scan_of(with_spots([SPOT]), with_spots([SPOT], seed=5))
    documents = []
    for _ in range(2):
        document = json.loads(
            mc.suggest(scan, classifier(Spots()), seed=3, objective=objective).to_json()
        )
        document.pop("run")
        documents.append(document)
    assert documents[0] == documents[1]


def test_the_networks_modes_and_gradients_are_as_before() -> None:
    network = Spots().train()
    mc.suggest(scan_of(with_spots([SPOT])), classifier(network), outline="none")
    assert network.training
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_progress_is_told_and_ends_at_the_whole() -> None:
    told: list[tuple[str, int, int]] = []
    scan = scan_of(with_spots([SPOT]), ground(), with_spots([SPOT], seed=1))
    asked = classifier(Spots())
    mc.suggest(scan, asked, outline="none", progress=lambda *args: told.append(args))
    assert list(dict.fromkeys(what for what, _, _ in told)) == ["classify", "optimise", "judge"]
    for what in ("classify", "optimise", "judge"):
        done = [(d, total) for w, d, total in told if w == what]
        assert [d for d, _ in done] == sorted(d for d, _ in done)
        assert done[-1][0] == done[-1][1]


def test_settings_hold_all_that_was_chosen() -> None:
    chosen = {
        "target": "spot",
        "preset": "fast",
        "contours": 1,
        "area": 0.05,
        "background": "mean",
        "objective": "target",
        "outline": "none",
        "seed": 11,
    }
    suggestion = mc.suggest(
        scan_of(with_spots([SPOT])), classifier(Spots()), slices=slice(0, 1), **chosen
    )
    assert chosen.items() <= suggestion.settings.items()
    assert suggestion.settings["slices"] == "0:1"
    assert suggestion.settings["scan"] is None  # made in memory: there is no file to find again
    contour = suggestion.slices[0].evidence_contours[0]
    assert contour.area_mm2 == pytest.approx(0.05 * ROWS * COLUMNS, rel=0.02)
    assert contour.quality["background"] == "mean"
    assert suggestion.editable == "evidence"


@pytest.mark.parametrize("name", ["preset", "background", "objective", "outline"])
def test_a_name_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(mc.MedcontourError, match=f'no {name} "nonsense"; choose from .+'):
        mc.suggest(scan_of(ground()), classifier(Spots()), **{name: "nonsense"})


@pytest.mark.slow
def test_evidence_outside_the_body_is_remarked_upon() -> None:
    """A marker burnt into the air beside the patient."""
    body = disc((28.0, 24.0), 20.0)
    beside = np.where(body, ground() + 0.15, 0).astype(np.float32)
    within = beside.copy()
    beside[3:11, 52:60] = 1.0
    within[20:28, 24:32] = 1.0
    notes = [
        mc.suggest(scan_of(plane), classifier(Spots())).slices[0].note for plane in (beside, within)
    ]
    assert ["outside the body" in note for note in notes] == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(("slices", "remarked"), [(10, True), (9, False)])
def test_a_stack_that_is_all_positive_is_remarked_upon(slices: int, remarked: bool) -> None:
    """Of few slices all may well show something."""
    scan = scan_of(*[ground(k) for k in range(slices)])
    suggestion = mc.suggest(scan, classifier(Always(1.0)), area=0.05, outline="none")
    said = [note for note in suggestion.notes if f"all {slices} slices spot" in note]
    assert bool(said) == remarked
