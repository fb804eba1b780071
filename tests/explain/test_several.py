"""Several contours at once (Eq. 11), and how much contours depend on their start."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.explain import (
    PRESETS,
    Perturbation,
    TargetObjective,
    from_nine_starts,
    judge_together,
    optimise_several,
    spectral_sweep,
)

SPACING = (1.25, 1.0)
SQUARES = [(6, 10), (30, 12), (12, 44), (34, 46)]


def squares(*counts: int) -> tuple[Perturbation, TargetObjective]:
    """Images of so many bright squares of 8 x 8 pixels; each adds alike to the answer."""
    images = torch.zeros(len(counts), 1, 48, 64)
    for image, count in zip(images, counts, strict=True):
        for row, column in SQUARES[:count]:
            image[0, row : row + 8, column : column + 8] = 1.0
    noise = 0.02 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    background = torch.zeros_like(images)

    def score(inputs: torch.Tensor) -> torch.Tensor:
        return 0.05 * inputs.flatten(1).sum(1, keepdim=True) - 1

    perturbation = Perturbation.of_images(images + noise, background, SPACING)
    return perturbation, TargetObjective(score, images + noise, background, target=0)


def middles(perturbation: Perturbation, count: int) -> torch.Tensor:
    index = torch.tensor([(c + 3.5, r + 3.5) for r, c in SQUARES[:count]])
    return perturbation.plane.from_index(index)


def test_each_square_has_a_contour_of_its_own_and_the_idle_ones_are_gone() -> None:
    counts = (4, 3, 1)
    perturbation, objective = squares(*counts)
    fit = optimise_several(perturbation, objective, 4)
    assert fit.kept.sum(1).tolist() == list(counts)
    assert fit.pruned.tolist() == [0, 1, 3]
    for index, count in enumerate(counts):
        curves = fit.of_image(index)
        apart = torch.cdist(curves.center, middles(perturbation, count))
        assert (apart.amin(0) < 0.08).all()
        assert (apart.amin(1) < 0.08).all()
    assert (fit.preserved > 0.7).all()
    assert (fit.deleted < 0.3).all()
    # What the removal of one of n alike costs: a share in preserved and one in deleted.
    assert fit.gain[0].tolist() == pytest.approx([0.5] * 4, abs=0.12)
    assert (fit.gain[~fit.kept] == 0).all()
    assert (fit.evaluations <= 60).all()


def test_batched_equals_one_by_one() -> None:
    perturbation, objective = squares(2, 3)
    together = optimise_several(perturbation, objective, 3)
    alone = optimise_several(*squares(2), 3)
    assert alone.kept[0].tolist() == together.kept[0].tolist()
    both = (together.of_image(0).center, alone.of_image(0).center)
    assert torch.allclose(*both, atol=0.02)


def test_together_means_the_maximum_of_the_masks() -> None:
    perturbation, objective = squares(2)
    one = FourierContour.circles(middles(perturbation, 2), torch.tensor([0.15, 0.15]))
    which = torch.tensor([0, 0])
    kept = torch.tensor([[True, True], [True, False]])
    twice = FourierContour.cat([one, one])
    preserved, deleted = judge_together(perturbation, objective, twice, 2, which, kept)
    mask = one.mask(perturbation.points).amax(0, keepdim=True)
    expected = perturbation.similarities(objective, mask, which[:1])
    assert preserved[0] == pytest.approx(float(expected[0]), abs=1e-5)
    assert deleted[0] == pytest.approx(float(expected[1]), abs=1e-5)
    alone = perturbation.judge(objective, one[:1], which[:1])
    assert preserved[1] == pytest.approx(float(alone[0]), abs=1e-5)


def test_nine_starts_end_at_one_place() -> None:
    perturbation, objective = squares(1)
    starts, fit = from_nine_starts(perturbation, objective)
    assert len(starts.center.unique(dim=0)) == 9
    assert fit.contours.contains(middles(perturbation, 1)).all()
    assert (fit.preserved - fit.deleted > 0.8).all()


def test_the_spectral_weight_smooths() -> None:
    perturbation, objective = squares(1)
    rough, smooth = spectral_sweep(perturbation, objective, [0.0, 3.0], harmonics=20)
    assert rough.contours.harmonics.shape == (1, 20, 2)
    assert smooth.contours.spectral_energy() < 0.1 * rough.contours.spectral_energy()
    apart = (rough.contours.center - smooth.contours.center).norm()
    assert apart < 0.2  # a tenth of the image


@pytest.mark.parametrize(
    ("weights", "harmonics", "words"),
    [([], 5, "one spectral weight"), ([-1.0], 5, "below 0"), ([0.1], 21, "1 to 20")],
)
def test_a_sweep_out_of_reach(weights: list[float], harmonics: int, words: str) -> None:
    with pytest.raises(MedcontourError, match=words):
        spectral_sweep(*squares(1), weights, harmonics)


@pytest.mark.slow
def test_several_contours_of_the_paper_are_the_papers() -> None:
    """Eq. 12's radii, Eq. 11's maximum and Eq. 8's weight; each square has its contour."""
    perturbation, objective = squares(2)
    paper = replace(PRESETS["paper"], several=replace(PRESETS["paper"].several, steps=300))
    fit = optimise_several(perturbation, objective, 2, paper)
    curves = fit.of_image(0)
    assert curves.parametrisation == "bounded"
    assert len(curves) == 2
    assert curves.contains(middles(perturbation, 2)).any(1).all()
