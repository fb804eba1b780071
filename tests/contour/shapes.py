"""Curves drawn at random, the extreme ones among them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from medcontour.contour import FourierContour, Parametrisation

LAWS = st.sampled_from(["log", "bounded"])


@st.composite
def wild_curves(
    draw: st.DrawFn,
    parametrisation: Parametrisation | None = None,
    most_harmonics: int = 20,
    amplitude: float = 1.0,
    stretch: float = 2.0,
) -> FourierContour:
    """One float64 curve: K up to `most_harmonics`, |p| and |q| up to `stretch`, any size."""
    parametrisation = parametrisation or draw(LAWS)
    count = draw(st.integers(0, most_harmonics))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.floats(-3.0, 0.0) if parametrisation == "log" else st.floats(-40.0, 40.0))
    scale = draw(st.floats(0.0, amplitude))
    harmonics = scale * generator.normal(size=(1, count, 2)) / np.arange(1, count + 1)[:, None]
    place = st.tuples(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
    frame = st.tuples(st.floats(-stretch, stretch), st.floats(-stretch, stretch))
    return FourierContour(
        torch.tensor([draw(place)], dtype=torch.float64),
        torch.tensor([size], dtype=torch.float64),
        torch.from_numpy(harmonics),
        torch.tensor([draw(frame)], dtype=torch.float64) * draw(st.sampled_from([0.0, 1.0])),
        parametrisation,
    )
