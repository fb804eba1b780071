"""The optimiser against a classifier whose evidence is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from planted_images import Planted, plant
from torch import Tensor

from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS, optimise


def test_the_fast_preset_finds_what_the_answer_rests_on(planted: Planted) -> None:
    fit = optimise(planted.perturbation, planted.objective(), "fast")
    assert (planted.dice(fit.contours) > 0.8).all(), planted.dice(fit.contours)
    assert (fit.preserved > 0.8).all()
    assert (fit.deleted < 0.2).all()
    assert (fit.evaluations <= 50).all()


@pytest.mark.slow
def test_the_thorough_preset_finishes_what_the_fast_one_finds(planted: Planted) -> None:
    """Never worse by the objective of both, for its own steps more, and told of on the way."""
    fast, thorough = (PRESETS[name] for name in ("fast", "thorough"))
    told: list[tuple[int, int]] = []
    first, second = (
        optimise(
            planted.perturbation,
            planted.objective(),
            preset,
            progress=lambda *steps: told.append(steps),
        )
        for preset in (fast, thorough)
    )
    objectives = [
        fit.deleted - fit.preserved + fast.area_weight * fit.area_fraction
        for fit in (first, second)
    ]
    assert (objectives[1] <= objectives[0] + 1e-6).all()
    assert (planted.dice(second.contours) > 0.8).all(), planted.dice(second.contours)
    assert thorough.polish is not None
    assert (second.evaluations - first.evaluations == thorough.polish.steps + 0.5).all()
    assert told[-1] == (thorough.most_steps, thorough.most_steps)


@pytest.mark.slow
def test_algorithm_1_finds_it_too(planted: Planted) -> None:
    fit = optimise(planted.perturbation, planted.objective(), "paper")
    # Its radius is bounded at 0.1 and it has no frame, so its curve is rounder than the truth.
    assert (planted.dice(fit.contours) > 0.6).all(), planted.dice(fit.contours)
    assert (fit.evaluations == 1000.5).all()
    assert fit.history["sharpness"][0] == 1.0
    assert fit.history["sharpness"][-1] == pytest.approx(100.0)
    assert fit.history["loss"].shape == (1000, 3)


@pytest.mark.slow
def test_batched_equals_one_by_one(planted: Planted) -> None:
    together = optimise(planted.perturbation, planted.objective(), "fast")
    for index in range(3):
        alone = plant(
            [tuple(planted.truth.center[index].tolist())],
            [float(planted.truth.mean_radius[index])],
        )
        alone.images = planted.images[[index]]
        alone.perturbation = planted.perturbation.pick(torch.tensor([index]))
        fit = optimise(alone.perturbation, alone.objective(), "fast")
        for name, value in fit.contours.tensors().items():
            assert torch.allclose(value[0], together.contours.tensors()[name][index], atol=1e-5), (
                name
            )


@pytest.mark.slow
@pytest.mark.parametrize("area", [0.02, 0.1, 0.4])
def test_a_fixed_area_is_held(planted: Planted, area: float) -> None:
    short = replace(PRESETS["fast"], steps=30)
    fit = optimise(planted.perturbation, planted.objective(), short, area=area)
    assert fit.area_fraction.tolist() == pytest.approx([area] * 3, abs=0.005)
    counted = fit.contours.contains(planted.perturbation.points).float().mean((-1, -2))
    assert counted.tolist() == pytest.approx([area] * 3, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("area", [0.1, 0.4])
def test_the_papers_fixed_area_is_eq_10s_penalty(planted: Planted, area: float) -> None:
    fit = optimise(planted.perturbation, planted.objective(), "paper", area=area)
    assert fit.contours.parametrisation == "bounded"  # Eq. 12
    assert fit.area_fraction.tolist() == pytest.approx([area] * 3, abs=0.05)


@pytest.mark.parametrize("area", [0.0, 0.9, -1.0])
def test_an_area_out_of_reach_is_a_sentence(planted: Planted, area: float) -> None:
    with pytest.raises(MedcontourError, match=r"from 0\.001 to 0\.785"):
        optimise(planted.perturbation, planted.objective(), "fast", area=area)


def test_the_center_stays_inside_the_image() -> None:
    at_the_edge = plant([(0.97, 0.95)], [0.2])
    fit = optimise(at_the_edge.perturbation, at_the_edge.objective(), "fast")
    extent = torch.tensor(at_the_edge.perturbation.plane.extent)
    assert (fit.contours.center.abs() <= extent).all()
    assert at_the_edge.dice(fit.contours)[0] > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("preset", list(PRESETS))
def test_progress_is_told(planted: Planted, preset: str) -> None:
    told: list[tuple[int, int]] = []
    short = replace(PRESETS[preset], steps=3)
    optimise(planted.perturbation, planted.objective(), short, progress=lambda *a: told.append(a))
    most = short.most_steps
    assert {steps for _, steps in told} == {most}
    assert told[-1] == (most, most)
    assert all(1 <= done <= most for done, _ in told)


@pytest.mark.slow
def test_who_watches_is_told_what_each_image_has_cost(planted: Planted) -> None:
    """Also where the linear model's contour is polished, and where an image retires early."""
    told: dict[int, list[float]] = {0: [], 1: [], 2: []}
    progress: list[int] = []

    def callback(evaluations: Tensor, which: Tensor, curves: FourierContour) -> None:
        assert len(evaluations) == len(which) == len(curves)
        for image, cost in zip(which.tolist(), evaluations.tolist(), strict=True):
            told[image].append(cost)

    # Nothing is good enough, so every image is polished.
    polish = PRESETS["fast"].model_polish
    assert polish is not None
    preset = replace(PRESETS["fast"], model_polish=replace(polish, above=-10.0))
    fit = optimise(
        planted.perturbation,
        planted.objective(),
        preset,
        progress=lambda done, _: progress.append(done),
        callback=callback,
    )
    assert progress == sorted(progress)
    for image, total in enumerate(fit.evaluations.tolist()):
        assert told[image] == sorted(told[image])
        # The last judgement, forward only, is not watched.
        assert total - 0.5 <= told[image][-1] <= total
        assert total > polish.steps + 5
