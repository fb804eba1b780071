"""Surfaces drawn at random, the extreme ones among them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from medcontour.contour import HarmonicSurface, Parametrisation
from medcontour.contour.spherical import degrees


@st.composite
def wild_surfaces(
    draw: st.DrawFn,
    parametrisation: Parametrisation | None = None,
    most_degrees: int = 6,
    amplitude: float = 0.6,
    stretch: float = 0.6,
) -> HarmonicSurface:
    """One float64 surface: L up to `most_degrees`, frame entries up to `stretch`, any size."""
    parametrisation = parametrisation or draw(st.sampled_from(["log", "bounded"]))
    degree = draw(st.integers(0, most_degrees))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.floats(-3.0, 0.0) if parametrisation == "log" else st.floats(-8.0, 8.0))
    numbers = generator.normal(size=(1, (degree + 1) ** 2 - 1))
    harmonics = draw(st.floats(0.0, amplitude)) * numbers / np.array(degrees(degree)) ** 1.5
    place = st.tuples(*3 * [st.floats(-0.8, 0.8)])
    frame = st.tuples(*5 * [st.floats(-stretch, stretch)])
    return HarmonicSurface(
        torch.tensor([draw(place)], dtype=torch.float64),
        torch.tensor([size], dtype=torch.float64),
        torch.from_numpy(harmonics),
        torch.tensor([draw(frame)], dtype=torch.float64) * draw(st.sampled_from([0.0, 1.0])),
        parametrisation,
    )
