"""Networks whose layers are made random, from the top."""

from __future__ import annotations

import copy

import planted_square as planted
import torch

from medcontour.benchmark.methods import (
    randomised,
)


def test_layers_are_randomised_from_the_top() -> None:
    model, images = planted.network(), planted.images()
    before, chance = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    steps = list(randomised(model, seed=3))
    assert [name for name, _ in steps] == ["9", "4", "1", "0"]
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    _, top = steps[0]
    assert not torch.equal(top[9].weight, model[9].weight)
    assert torch.equal(top[4].weight, model[4].weight)
    _, second = steps[1]
    assert torch.equal(second[9].weight, top[9].weight)
    assert not torch.equal(second[4].weight, model[4].weight)
    again = [copied(images) for _, copied in randomised(model, 2, seed=3)]
    assert len(again) == 2
    assert torch.equal(again[1], second(images))
    # A parameter that no module can re-initialise.
    token = dict(randomised(planted.Transformer()))[""].token
    assert torch.equal(token, torch.zeros_like(token))  # of no spread, it stays
