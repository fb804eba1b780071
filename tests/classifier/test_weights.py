"""Files of weights as people's training leaves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medcontour.classifier.weights import load_weights
from medcontour.errors import MedcontourError

State = dict[str, Tensor]


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


WRAPS: dict[str, Callable[[State], Any]] = {
    "plain": lambda s: s,
    "lightning": lambda s: {"state_dict": prefixed("model.", s), "epoch": 3, "callbacks": {}},
    "lightning, own name": lambda s: {"state_dict": prefixed("my_classifier.", s)},
    "lightning, compiled": lambda s: {"state_dict": prefixed("net._orig_mod.", s)},
    "compiled": lambda s: prefixed("_orig_mod.", s),
    "compiled inside": lambda s: {k.replace("0.", "0._orig_mod.", 1): v for k, v in s.items()},
    "data parallel": lambda s: prefixed("module.", s),
    "both": lambda s: {"model": prefixed("module._orig_mod.", s), "optimizer": {"state": {}}},
    "model_state": lambda s: {"model_state": s},
    "a key of one's own": lambda s: {"best": {"weights_now": s}, "step": 7},
    "beside a teacher": lambda s: {**prefixed("model.", s), **prefixed("teacher.", s)},
    "beside its average": lambda s: {
        "state_dict": s,
        "ema": {key: 0 * value for key, value in s.items()},
    },
    "without counters": lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_weights_are_found_wherever_they_are(wrap: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained, fresh = network(), network()
    path = tmp_path / "weights.pt"
    torch.save(WRAPS[wrap](trained.state_dict()), path)
    notes = load_weights(fresh, path)
    for key, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key
    assert bool(notes) == (wrap == "beside a teacher")


def test_what_is_no_part_of_the_network_is_counted(tmp_path: Path) -> None:
    state = {**prefixed("model.", network().state_dict()), "loss.weight": torch.ones(2)}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    assert load_weights(network(), tmp_path / "last.ckpt") == (
        "1 tensors of last.ckpt are no part of the network (loss.weight).",
    )


@pytest.mark.parametrize("wrapper", [torch.compile, nn.DataParallel])
def test_a_wrapped_network_takes_plain_weights(
    wrapper: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    trained, fresh = network(), network()
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    load_weights(wrapper(fresh), tmp_path / "weights.pt")
    assert torch.equal(fresh[0].weight, trained[0].weight)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: {k: v for k, v in s.items() if not k.startswith("3")},
        lambda s: {**s, "4.weight": torch.ones(2)},
        lambda s: prefixed("model.", {**s, "4.weight": torch.ones(2)}),
        lambda s: {**s, "3.bias": torch.ones(5)},
    ],
    ids=["missing", "unknown", "unknown behind a prefix", "misshapen"],
)
def test_weights_of_another_network_are_refused(
    spoil: Callable[[State], State], tmp_path: Path
) -> None:
    torch.save(spoil(network().state_dict()), tmp_path / "weights.pt")
    with pytest.raises(MedcontourError, match="do not fit the network"):
        load_weights(network(), tmp_path / "weights.pt")
