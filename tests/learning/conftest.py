"""Pictures with spots at random places and without, and a bundle that finds spots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_files import COLUMNS, RADIUS, ROWS, plane, write_bundle

import medcontour as mc
from medcontour.learning import job, training

SPOTS, PLAIN = 9, 4


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("learning") / "bundle", scale=(0, 255))


@pytest.fixture(scope="session")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``images`` (``spot0.png``..., ``plain0.png``...) and ``masks`` of the spots."""
    folder = tmp_path_factory.mktemp("spots")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    row, column = np.mgrid[:ROWS, :COLUMNS]
    for n in range(SPOTS + PLAIN):
        draw = np.random.default_rng(n)
        values, mask = plane(spot=False, seed=n), np.zeros((ROWS, COLUMNS), bool)
        if n < SPOTS:
            y, x = draw.uniform(0.3, 0.7, 2) * (ROWS, COLUMNS)
            mask = np.hypot((column - x) / 1.2, row - y) <= draw.uniform(0.8, 1.3) * RADIUS
            values = np.where(mask, 0.9 + 0.02 * draw.standard_normal(mask.shape), values)
        name = f"spot{n}.png" if n < SPOTS else f"plain{n - SPOTS}.png"
        picture = np.uint8(255 * values.clip(0, 1))
        PIL.Image.fromarray(picture).save(folder / "images" / name)
        PIL.Image.fromarray(np.uint8(255 * mask)).save(folder / "masks" / name)
    return folder


@pytest.fixture(scope="session", autouse=True)
def few_steps() -> Iterator[None]:
    """Small pictures are learned soon."""
    with pytest.MonkeyPatch.context() as patched:
        few = replace(training.TRAINING, steps=80)
        patched.setattr(job, "TRAINING", few)
        yield


@pytest.fixture(scope="session")
def learned(
    few_steps: None, bundle: Path, spots: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What is learned from the pictures."""
    out = tmp_path_factory.mktemp("learned") / "o.safetensors"
    made = mc.learn(spots / "images", bundle, out)
    assert made.card["reliable"], made.card
    return out
