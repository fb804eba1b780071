"""The training from image labels, and the one number set after it."""

from __future__ import annotations

import time

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor, nn

from breast_us.augmentation import augment, draw_marks
from breast_us.bundle import build
from breast_us.images import Images
from breast_us.recipe import BATCH, RECIPES, SEED, Recipe


def class_map(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, 2) and, from the last feature map, the logits of every place (B, 2, x', y').

    The mean over places of the second is the first, since the network ends in a mean and a
    linear layer.
    """
    kept: list[Tensor] = []
    layer, last = network.get_submodule("layer4"), network.get_submodule("fc")
    assert isinstance(last, nn.Linear)
    handle = layer.register_forward_hook(lambda _m, _i, out: kept.append(out))
    logits = network(images)
    handle.remove()
    return logits, F.conv2d(kept[0], last.weight[:, :, None, None], last.bias)


def weight_average(network: nn.Module) -> torch.optim.swa_utils.AveragedModel:
    """Moving average of a network's weights and buffers, of about the last hundred steps."""
    return torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )


def train(images: Images, recipe: Recipe) -> nn.Module:
    """Train one network; returns the moving average of its weights, in ``eval`` mode."""
    weights = train(images, RECIPES[recipe.after]).state_dict() if recipe.after else None
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    marks = [draw_marks(rng, ("calipers", "text", "box")) for _ in range(300)]
    network, _ = build()
    if weights is not None:
        network.load_state_dict(weights)
    average = weight_average(network)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps)
    with_lesion = torch.nonzero(images.lesion).flatten()
    without = torch.nonzero(~images.lesion).flatten()
    start = time.time()
    for step in range(recipe.steps):
        network.train()
        chosen = torch.cat(
            [part[torch.randint(len(part), (BATCH // 2,))] for part in (with_lesion, without)]
        )
        label = images.lesion[chosen].long()
        batch = augment(images, chosen, recipe, marks)
        logits, places = class_map(network, batch.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, label, label_smoothing=0.05)
        if recipe.local:
            odds = (places[:, 1] - places[:, 0]).flatten(1)
            strongest = torch.logsumexp(odds, 1) - np.log(odds.shape[1]) * 0.5
            smoothed = label * 0.95 + 0.025
            loss = loss + recipe.local * F.binary_cross_entropy_with_logits(strongest, smoothed)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        rate.step()
        average.update_parameters(network)
        if step % 100 == 99:
            spent = time.time() - start
            print(f"step {step + 1}: loss {loss.item():.3f}, {spent:.0f} s", flush=True)
    return average.module.eval().half().float()


def log_odds(network: nn.Module, pixels: Tensor) -> NDArray[np.float64]:
    """Log-odds of "lesion" of (N, 1, x, y) images, above 0 where the network says "lesion"."""
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        out = torch.cat([network(pixels[i : i + 32]) for i in range(0, len(pixels), 32)])
    return (out[:, 1] - out[:, 0]).double().numpy()


def calibrate(network: nn.Module, images: Images) -> None:
    """Shift the log-odds to fit ``images`` best (logistic loss, both classes weighted alike).

    Training draws both classes equally often and changes images heavily, which leaves the
    log-odds off by a constant; this sets it, in the bias of the last layer.
    """
    odds, lesion = log_odds(network, images.pixels), images.lesion.numpy()

    def loss(shift: float) -> float:
        yes, no = np.logaddexp(0, -odds[lesion] - shift), np.logaddexp(0, odds[~lesion] + shift)
        return float(yes.mean() + no.mean())

    shift = float(optimize.minimize_scalar(loss).x)
    bias = network.get_submodule("fc").bias
    assert isinstance(bias, Tensor)
    with torch.no_grad():
        bias.copy_((bias + torch.tensor([-shift / 2, shift / 2])).half())
