"""Which of the boundaries that the image offers becomes the outline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import medcontour as mc
from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.explain import Perturbation, TargetObjective
from medcontour.outline import follow_region, outline_candidates
from medcontour.pipeline.outlines import offer_outlines

PLANES = [PlaneGeometry(96, 128), PlaneGeometry(64, 128, (2.0, 1.0))]
PLACE, DECOY = (-0.25, 0.05), (0.2, 0.05)


def disc(plane: PlaneGeometry, center: tuple[float, float], radius: float) -> torch.Tensor:
    """(rows, columns): 1 inside, in plane coordinates."""
    return ((plane.pixel_centres() - torch.tensor(center)).norm(dim=-1) < radius).float()


@pytest.mark.parametrize("plane", PLANES, ids=["square pixels", "tall pixels"])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["bright", "dark"])
def test_the_classifier_speaks_against_a_clearer_boundary_that_explains_nothing(
    plane: PlaneGeometry, sign: float
) -> None:
    object_, decoy = disc(plane, PLACE, 0.16), disc(plane, DECOY, 0.2)
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (plane.rows, plane.columns)))
    image = sign * (object_ + 2.0 * decoy) + noise.float()
    inputs = image[None, None]
    share = object_ / object_.sum()
    answer = TargetObjective(
        lambda x: 20 * sign * (x[:, 0] * share).sum((-1, -2)).unsqueeze(1) - 6,
        inputs,
        torch.zeros_like(inputs),
        target=0,
    )
    perturbation = Perturbation(inputs, torch.zeros_like(inputs), plane.pixel_centres(), plane)
    evidence = FourierContour.circles(torch.tensor([[-0.05, 0.05]]), torch.tensor([0.25]))
    [by_image] = follow_region(image[None], plane, evidence, torch.tensor([sign]))
    assert by_image is not None
    assert not by_image.contour.contains(torch.tensor([PLACE])), "the image prefers the decoy"

    [offer], spent = offer_outlines(
        perturbation,
        answer,
        image[None],
        plane,
        evidence,
        torch.tensor([0]),
        [plane.area],
        outliner=outline_candidates,
    )
    outline = offer.best
    assert outline is not None
    held = outline.contour.contains(plane.pixel_centres())[0] & (object_ > 0)
    assert held.sum() >= 0.9 * object_.sum(), "what carries the answer lies in the outline"
    assert 1.0 <= spent.item() <= 4.5


def test_an_image_without_a_boundary_has_no_outline() -> None:
    plane = PLANES[0]
    inputs = torch.arange(128.0).expand(1, 1, 96, 128) / 128
    answer = TargetObjective(
        lambda x: 20 * x.mean((-1, -2)) - 6, inputs, torch.zeros_like(inputs), target=0
    )
    perturbation = Perturbation(inputs, torch.zeros_like(inputs), plane.pixel_centres(), plane)
    evidence = FourierContour.circles(torch.zeros(1, 2), torch.tensor([0.2]))
    [offer], _ = offer_outlines(
        perturbation,
        answer,
        inputs[:, 0],
        plane,
        evidence,
        torch.tensor([0]),
        [plane.area],
        outliner=outline_candidates,
    )
    assert offer.best is None


@pytest.mark.slow
def test_an_outline_that_ran_out_is_said_on_an_image_and_gives_way_in_a_stack(
    sample_data: Path,
) -> None:
    scan = mc.read_scan(sample_data / "ct_study")
    classifier = mc.load_classifier(sample_data / "nodule_classifier")
    image = replace(
        scan,
        voxels=scan.voxels[12:13],
        slice_origins_lps=scan.slice_origins_lps[12:13],
        sop_instance_uids=scan.sop_instance_uids[12:13],
        datasets=scan.datasets[12:13],
    )
    alone = mc.suggest(image, classifier, "nodule")
    [part] = alone.slices
    evidence = sum(contour.area_mm2 for contour in part.evidence_contours)
    assert part.outlines[0].area_mm2 > 5 * evidence
    assert "may have run out" in part.note
    [note] = [note for note in alone.notes if "may have run out" in note]
    assert "on slice 1 is" in note

    together = mc.suggest(scan, classifier, "nodule", slices=slice(12, 14))
    first, second = together.slices
    assert "neighbouring slices" in first.note
    assert 0.3 < first.outlines[0].area_mm2 / second.outlines[0].area_mm2 < 2
    assert not any("may have run out" in text for text in (*together.notes, first.note))
    assert len(together.findings) == 1
