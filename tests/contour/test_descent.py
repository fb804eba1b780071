"""Steps of our own descent are those of `torch.optim.AdamW`."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medcontour.contour.descent import Descent


@given(
    steps=st.integers(1, 30),
    first=st.sampled_from((0.5, 0.9)),
    second=st.sampled_from((0.9, 0.999)),
    decay=st.sampled_from((0.0, 0.01, 0.3)),
    seed=st.integers(0, 2**16),
)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_steps_are_those_of_adamw(
    kind: torch.dtype, steps: int, first: float, second: float, decay: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=kind)

    start = {"center": drawn(4, 2), "harmonics": drawn(4, 5, 2)}
    ours = {name: value.clone().requires_grad_(True) for name, value in start.items()}
    theirs = {name: value.clone().requires_grad_(True) for name, value in start.items()}
    descent = Descent(ours, (first, second), decay)
    judge = torch.optim.AdamW(
        [{"params": [value]} for value in theirs.values()],
        betas=(first, second),
        weight_decay=decay,
    )
    for step in range(steps):
        rates = {"center": 0.1 / (1 + step), "harmonics": 0.02}
        for name, group in zip(ours, judge.param_groups, strict=True):
            slope = drawn(*start[name].shape)
            ours[name].grad, theirs[name].grad = slope.clone(), slope.clone()
            group["lr"] = rates[name]
        descent.step(rates)
        judge.step()
    for name in start:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-6)
        assert ours[name].grad is None
