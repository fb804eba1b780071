"""Methods that are compared: what each finds, what it leaves behind, and who agrees with it."""

from __future__ import annotations

import copy
import sys

import numpy as np
import planted_square as planted
import pytest
import torch
from planted_square import TARGETS
from torch import Tensor, nn

from medcontour.benchmark.methods import (
    METHODS,
    Attribution,
    ExtremalContour,
    ExtremalPerturbations,
    GradCamPlusPlus,
    GradientShap,
    Iba,
    ImplicitMask,
    IntegratedGradients,
    MeaningfulPerturbations,
    Method,
    Occlusion,
    RandomContour,
    Relax,
    Rise,
    SmoothMask,
    TrainingImages,
    attribution,
    method_named,
    similarity_under_randomisation,
)
from medcontour.errors import MedcontourError
from medcontour.explain import PRESETS

# As in the tables but for steps that only cost time here.
# Slow; of transformers alone; trained on other images.
NOT_HERE = ("extremal-contour-paper", "attention-rollout", "nem-u", "nemt", "amortised-contour")
QUICK: dict[str, Method] = {
    **{name: method_named(name) for name in METHODS if name not in NOT_HERE},
    "smooth-mask": SmoothMask((0.047,), steps=100),
    "rise": Rise(masks=400),
    "meaningful-perturbations": MeaningfulPerturbations(steps=60, blur=0.25),
    "extremal-perturbations": ExtremalPerturbations(
        0.047, steps=100, rate=0.1, perturbation="fade"
    ),
    "relax": Relax(masks=400),
    "iba": Iba(training=TrainingImages("squares", lambda: planted.others(64, 8)[:2], 16)),
    "inr": ImplicitMask((0.1,), steps=100, rate=1e-2),
    "random": RandomContour(area=0.047),
}
COSTS = {
    "gradient-shap": 10.0,
    "integrated-gradients": 25.0,
    "grad-cam++": 0.5,
    "smooth-mask": 50.0,
    "rise": 100.0,
    "occlusion": 0.25 * (1 + 15 * 15),
    "layercam": 0.5,
    "score-cam": 0.25 * (1 + 4),
    "meaningful-perturbations": 0.5 * 60 + 0.25 * 11,
    "extremal-perturbations": 50.0,
    "relax": 0.25 * 401,
    "iba": 50.25 + 0.25 * 64 / 16,
    "inr": 50.0,
    "random": 0.0,
}


@pytest.fixture(scope="module")
def found() -> dict[str, Attribution]:
    """Every method once on both images."""
    pytest.importorskip("captum")
    model, images = planted.network(), planted.images()
    return {name: method(model, images, TARGETS) for name, method in QUICK.items()}


def _peaks_inside(maps: Tensor) -> list[bool]:
    inside = planted.squares().flatten(1) > 0
    return [bool(square[one.argmax()]) for square, one in zip(inside, maps.flatten(1), strict=True)]


@pytest.mark.parametrize("name", [name for name in QUICK if name != "random"])
def test_peaks_lie_in_the_square(name: str, found: dict[str, Attribution]) -> None:
    result = found[name]
    assert result.maps.shape == (2, 1, planted.ROWS, planted.COLUMNS)
    assert result.maps.dtype == torch.float32
    assert bool(result.maps.isfinite().all())
    assert not result.maps.requires_grad
    assert _peaks_inside(result.maps) == [True, True]
    # More of the relevance lies in the square than its share of the image (a twentieth).
    relevance = result.maps.clamp_min(0)
    mass = (relevance * planted.squares()).sum((1, 2, 3)) / relevance.sum((1, 2, 3))
    # RELAX's cosine of features that are never negative is high all over the image.
    assert bool((mass > (1.05 if name == "relax" else 1.2) * planted.squares().mean()).all())
    if name in COSTS:
        assert result.evaluations.tolist() == [COSTS[name]] * 2
    else:
        assert bool(((result.evaluations > 5) & (result.evaluations <= 50)).all())


@pytest.mark.slow
def test_random_contours_are_anywhere_and_have_the_area(found: dict[str, Attribution]) -> None:
    model, images = planted.network(), planted.images()
    hits = []
    for seed in range(20):
        result = RandomContour(seed=seed, area=0.1)(model, images, TARGETS)
        assert result.maps.mean((1, 2, 3)).tolist() == pytest.approx([0.1, 0.1], abs=0.005)
        assert result.evaluations.tolist() == [0.0, 0.0]
        hits += _peaks_inside(result.maps)
    assert sum(hits) < 14  # of 40; without looking, about a twentieth to a tenth of them
    like = RandomContour()(model, images, TARGETS).maps.mean((1, 2, 3))
    contours = found["extremal-contour"].maps.mean((1, 2, 3))
    assert torch.allclose(like, contours, atol=0.003)


@pytest.mark.parametrize(
    "name", ["gradient-shap", "rise", "random", pytest.param("smooth-mask", marks=pytest.mark.slow)]
)
def test_a_seed_repeats_and_another_one_changes(name: str, found: dict[str, Attribution]) -> None:
    model, images = planted.network(), planted.images()
    kind = {
        "gradient-shap": GradientShap,
        "rise": lambda seed: Rise(masks=400, seed=seed),
        "random": lambda seed: RandomContour(area=0.047, seed=seed),
        "smooth-mask": lambda seed: SmoothMask((0.047,), steps=100, seed=seed),
    }[name]
    torch.manual_seed(99)  # of the caller: it must not matter
    again = kind(seed=0)(model, images, TARGETS).maps
    assert torch.equal(again, found[name].maps)
    assert not torch.equal(kind(seed=1)(model, images, TARGETS).maps, again)


@pytest.mark.parametrize("name", [name for name in QUICK if name != "extremal-contour"])
def test_an_image_does_not_depend_on_its_batch(name: str, found: dict[str, Attribution]) -> None:
    model, images = planted.network(), planted.images()
    alone = QUICK[name](model, images[1:], TARGETS[1:])
    # A mask is the end of a long descent, which rounding enters at every step.
    tolerance = 0.02 if name == "smooth-mask" else 1e-5
    assert torch.allclose(alone.maps[0], found[name].maps[1], atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(QUICK))
def test_the_network_is_left_as_it_came(name: str) -> None:
    pytest.importorskip("captum")
    model, images = planted.network().train(), planted.images()
    model[0].weight.requires_grad_(False)
    model[4].register_forward_hook(lambda module, inputs, output: None)
    state = copy.deepcopy(model.state_dict())
    flags = [parameter.requires_grad for parameter in model.parameters()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    before, chance, old = images.clone(), torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    method = SmoothMask(steps=2) if name == "smooth-mask" else QUICK[name]
    with torch.no_grad():
        method(model, images, TARGETS)
    assert all(module.training for module in model.modules())
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert all(not module._backward_hooks for module in model.modules())
    assert model[2].inplace
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), chance)
    assert np.array_equal(np.random.get_state()[1], old[1])  # noqa: NPY002


def test_the_paper_preset_is_a_method_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setitem(PRESETS, "paper", replace(PRESETS["paper"], steps=20))
    method = method_named("extremal-contour-paper")
    assert method.name == "extremal-contour-paper"
    result = method(planted.network(), planted.images(), TARGETS)
    assert result.evaluations.tolist() == [20.5, 20.5]


def test_integrated_gradients_sum_to_the_difference() -> None:
    pytest.importorskip("captum")
    model, images = planted.network(), planted.images()
    maps = IntegratedGradients(steps=200)(model, images, TARGETS).maps
    with torch.no_grad():
        difference = (model(images) - model(torch.zeros_like(images)))[:, 1]
    assert torch.allclose(maps.sum((1, 2, 3)), difference, rtol=0.02)


def test_occlusion_is_what_a_window_takes_away() -> None:
    """With windows that do not overlap: the whole is the sum for a linear network."""
    pytest.importorskip("captum")
    model = nn.Sequential(nn.Flatten(), nn.Linear(8 * 16, 2))
    images = torch.rand(1, 1, 8, 16, generator=torch.Generator().manual_seed(0))
    maps = Occlusion(window=1 / 8)(model, images, torch.tensor([1])).maps[0, 0]
    weight = model[1].weight[1].detach().view(8, 16) * images[0, 0]
    # Windows are 1 x 2 pixels and move by one: a pixel has the mean of the two that cover it.
    windows = weight[:, :-1] + weight[:, 1:]
    inner = (windows[:, :-1] + windows[:, 1:]) / 2
    assert torch.allclose(maps[:, 1:-1], inner, atol=1e-6)


def test_rise_tends_to_the_covariance_of_mask_and_answer() -> None:
    """For a network whose probability is one pixel's, the map is highest around that pixel."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 56, 2))
    with torch.no_grad():
        model[1].weight.zero_(), model[1].bias.zero_()
        model[1].weight[1, 10 * 56 + 40] = 4.0
    images = torch.ones(1, 1, 28, 56)
    maps = Rise(masks=2000)(model, images, torch.tensor([1])).maps[0, 0]
    top, left = divmod(int(maps.argmax()), 56)
    assert abs(top - 10) <= 2
    assert abs(left - 40) <= 4


def test_a_function_of_ones_own_is_a_method() -> None:
    model, images = planted.network(), planted.images()

    def gradient(network: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
        x = x.clone().requires_grad_(True)
        score = network(x)[torch.arange(len(x)), targets].sum()
        return torch.autograd.grad(score, x)[0] * x

    own = attribution(gradient, model, images, TARGETS)
    assert own.maps.shape == (2, 1, planted.ROWS, planted.COLUMNS)
    assert bool(own.evaluations.isnan().all())
    ours = attribution(method_named("random"), model, images, TARGETS)
    assert ours.evaluations.tolist() == [0.0, 0.0]
    flat = attribution(lambda model, x, targets: x[:, 0], model, images, TARGETS)
    assert torch.equal(flat.maps, images)
    with pytest.raises(MedcontourError, match="one value a pixel"):
        attribution(lambda model, x, targets: x[..., :3], model, images, TARGETS)


def test_what_a_user_can_mend_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = planted.network(), planted.images()
    with pytest.raises(MedcontourError, match=r"choose from extremal-contour, .*random"):
        method_named("gradcam")
    with pytest.raises(MedcontourError, match="one class an image"):
        method_named("random")(model, images, torch.tensor([1]))
    with pytest.raises(MedcontourError, match="does not take images of shape"):
        method_named("rise")(model, images[0], TARGETS)
    with pytest.raises(MedcontourError, match="no layer"):
        GradCamPlusPlus(layer="layer4")(model, images, TARGETS)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(planted.ROWS * planted.COLUMNS, 2))
    with pytest.raises(MedcontourError, match="no feature map"):
        method_named("grad-cam++")(flat, images, TARGETS)
    with pytest.raises(MedcontourError, match="between 0 and 1"):
        SmoothMask((0.0,))
    with pytest.raises(MedcontourError, match="out of reach"):
        RandomContour(area=0.95)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MedcontourError, match=r"pip install .medcontour\[benchmark\]"):
        method_named("occlusion")(model, images, TARGETS)


@pytest.mark.slow
def test_maps_move_away_when_the_network_forgets(found: dict[str, Attribution]) -> None:
    model, images = planted.network(), planted.images()
    # A new top layer may by chance point the same way; with this seed it does not.
    for method in (IntegratedGradients(steps=10), ExtremalContour()):
        steps = similarity_under_randomisation(method, model, images, TARGETS, layers=2, seed=4)
        assert [step.layer for step in steps] == ["9", "4"]
        assert steps[1].iou < 0.5
        assert steps[1].rank_correlation < 0.7

    def edges(network: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
        return x

    blind = similarity_under_randomisation(edges, model, images, TARGETS, layers=1)
    assert blind[0].iou == 1.0
    assert blind[0].rank_correlation == pytest.approx(1.0)
