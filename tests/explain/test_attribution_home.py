"""Extremal contours where captum's and Quantus's users expect them."""

from __future__ import annotations

import inspect
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import medcontour as mc
from medcontour.errors import MedcontourError
from medcontour.explain import BACKGROUNDS, ExtremalContours
from medcontour.log_odds import log_odds


def squares() -> Tensor:
    """(3, 1, 24, 32): two bright squares each; class 4 y + x is the brightness of an 8 x 8 cell."""
    images = torch.zeros(3, 1, 24, 32)
    for index, cells in enumerate([(0, 6), (5, 11), (3, 8)]):
        for cell in cells:
            y, x = divmod(cell, 4)
            images[index, 0, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = 1.0
    return images


def cells() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten())


def peak_cell(maps: Tensor) -> list[int]:
    return nn.AvgPool2d(8)(maps).flatten(1).argmax(1).tolist()


class Drawing(nn.Module):
    """Batch norm, dropout and a draw of its own: all that a run could leave traces in."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(4, 3)
        self.fail_after: int | None = None
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.fail_after is not None and self.calls > self.fail_after:
            raise RuntimeError("out of order")
        x = self.drop(self.body(x)).mean((-1, -2))
        return self.last(nn.functional.dropout(x, 0.1, training=True))


def traces(network: nn.Module) -> dict[str, object]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "training": [m.training for m in network.modules()],
        "hooks": [len(getattr(m, name)) for m in network.modules() for name in hooks],
        "needed": [p.requires_grad for p in network.parameters()],
        "grads": [p.grad is None for p in network.parameters()],
        "state": [v.tolist() for v in network.state_dict().values()],
        "torch": torch.random.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002
        "python": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(fails: bool) -> None:
    network = Drawing()
    network.train()
    network.body[1].eval()
    network.last.weight.requires_grad_(False)
    network.body[0].register_forward_hook(lambda *_: None)
    network.fail_after = 6 if fails else None
    inputs = torch.rand(2, 1, 16, 16).requires_grad_(True)
    inputs.grad = torch.ones_like(inputs)
    values = inputs.detach().clone()
    before = traces(network)
    if fails:
        with pytest.raises(RuntimeError, match="out of order"):
            ExtremalContours(network).attribute(inputs, target=1)
    else:
        maps = ExtremalContours(network).attribute(inputs, target=1)
        assert not maps.requires_grad
    assert traces(network) == before
    assert torch.equal(inputs, values)
    assert inputs.requires_grad
    assert (inputs.grad == 1).all()


def test_a_method_of_a_network_is_held_still_too() -> None:
    network = Drawing().train()
    before = traces(network)
    ExtremalContours(network.forward).attribute(torch.rand(1, 1, 16, 16), target=0)
    assert before["state"] == traces(network)["state"]


def test_targets_as_captum_takes_them_and_batched_equals_one_by_one() -> None:
    images, explain = squares(), ExtremalContours(cells(), background="mean")
    targets = [6, 11, 3]
    together = explain.attribute(images, target=targets)
    assert together.shape == (3, 1, 24, 32)
    assert peak_cell(together) == targets
    assert torch.equal(explain.attribute(images, torch.tensor(targets)), together)
    for index, target in enumerate(targets):
        alone = explain.attribute(images[[index]], target=target)
        assert (alone[0] - together[index]).abs().mean() < 0.01
    assert peak_cell(explain.attribute(images[:1], target=torch.tensor(0))) == [0]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_does_not_matter(mode: type) -> None:
    images, explain = squares()[:1], ExtremalContours(cells(), background="mean")
    expected = explain.attribute(images, target=6)
    with mode():
        found = explain.attribute(images.clone(), target=6)
    assert torch.equal(found, expected)


def test_signature_and_use_are_captums() -> None:
    captum = pytest.importorskip("captum.attr")
    ours = inspect.signature(ExtremalContours.attribute).parameters
    theirs = inspect.signature(captum.FeatureAblation.attribute).parameters
    for name in ("inputs", "target", "additional_forward_args"):
        assert ours[name].kind == theirs[name].kind
    assert ours["target"].default is theirs["target"].default is None

    class Shifted(nn.Module):
        """An argument of each image says where its classes begin; another holds for all."""

        def forward(self, x: Tensor, shift: Tensor, gain: float) -> Tensor:
            flat = gain * cells()(x)
            at = (torch.arange(12)[None] + shift[:, None]) % 12
            return flat.gather(1, at)

    images, network = squares(), Shifted()
    shift = torch.tensor([0, 2, 5])
    targets = torch.tensor([6, 9, 3])  # cells 6, 11, 8
    cell = (torch.arange(24)[:, None] // 8) * 4 + torch.arange(32)[None] // 8
    judge = captum.FeatureAblation(network).attribute(
        images, target=targets, additional_forward_args=(shift, 2.0), feature_mask=cell[None, None]
    )
    maps = ExtremalContours(network, background="mean").attribute(images, targets, (shift, 2.0))
    assert peak_cell(maps) == peak_cell(judge) == [6, 11, 8]


@pytest.mark.quantus
def test_it_is_an_explain_func_of_quantus() -> None:
    import quantus

    network, images = cells(), squares()
    targets = np.array([6, 11, 3])
    truth = np.zeros((3, 1, 24, 32), dtype=bool)
    for index, target in enumerate(targets):
        y, x = divmod(int(target), 4)
        truth[index, 0, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = True
    metric = quantus.RelevanceMassAccuracy(
        disable_warnings=True, display_progressbar=False, abs=False, normalise=False
    )
    scores = metric(
        model=network,
        x_batch=images.numpy(),
        y_batch=targets,
        s_batch=truth,
        explain_func=mc.quantus_explain,
        explain_func_kwargs={"background": "mean"},
        device="cpu",
    )
    maps = mc.quantus_explain(network, images.numpy(), targets, background="mean")
    assert maps.shape == (3, 1, 24, 32)
    expected = (maps * truth).sum((1, 2, 3)) / maps.sum((1, 2, 3))
    assert np.asarray(scores) == pytest.approx(expected, abs=1e-4)
    assert expected.min() > 0.7


@pytest.mark.slow
def test_the_collapse_figure_is_told() -> None:
    images = squares()
    embedding = ExtremalContours(cells(), background="gaussian").fit(images)
    ground = cells()(BACKGROUNDS["gaussian"](images))
    c_b = nn.functional.cosine_similarity(ground, cells()(images))
    assert embedding.original_score is not None
    assert embedding.background_score is not None
    assert torch.allclose(embedding.background_score, c_b, atol=1e-5)
    assert embedding.original_score.tolist() == [1.0] * 3
    target = ExtremalContours(cells(), background="gaussian").fit(images, target=[6, 11, 3])
    assert target.background_score is not None
    assert torch.allclose(
        target.background_score,
        log_odds(ground, "softmax")[torch.arange(3), torch.tensor([6, 11, 3])],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("images", "target", "sentence"),
    [
        (torch.zeros(1, 24, 32), 0, r"a batch \(B, C, H, W\)"),
        (torch.zeros(0, 1, 24, 32), 0, r"a batch \(B, C, H, W\)"),
        (torch.zeros(2, 1, 24, 32), [0, 1, 2], "one for each image"),
        (torch.zeros(2, 1, 24, 32), 12, "choose from 0 to 11"),
    ],
)
def test_what_does_not_fit_is_a_sentence(images: Tensor, target: object, sentence: str) -> None:
    with pytest.raises(MedcontourError, match=sentence):
        ExtremalContours(cells()).attribute(images, target)  # type: ignore[arg-type]


def test_a_target_beside_an_objective_is_refused() -> None:
    explain = ExtremalContours(cells(), objective=lambda *_: pytest.fail("not to be asked"))
    with pytest.raises(MedcontourError, match="say nothing beside an objective"):
        explain.fit(squares(), target=1)


@pytest.mark.slow
def test_half_precision_finds_as_good_a_contour_and_is_judged_in_full() -> None:
    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 5, padding=2), torch.nn.AvgPool2d(8), torch.nn.Flatten()
    )
    images = torch.zeros(2, 1, 32, 48)
    images[0, :, 8:20, 10:22] = 1.0
    images[1, :, 12:24, 24:40] = 1.0
    exact, half = (
        ExtremalContours(network, background="mean", precision=precision).fit(images)
        for precision in ("float32", "bfloat16")
    )
    assert half.preserved.dtype == torch.float32
    losses = [fit.deleted - fit.preserved + fit.area_fraction for fit in (exact, half)]
    assert (losses[1] <= losses[0] + 0.05).all()
    with pytest.raises(MedcontourError, match="no precision"):
        ExtremalContours(network, precision="float8")
