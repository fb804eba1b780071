"""Pictures with spots at random places and without, and a bundle that finds spots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from small_files import write_bundle, write_spot_pictures

import medcontour as mc
from medcontour.learning import job, training

SPOTS, PLAIN = 9, 4


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("learning") / "bundle", scale=(0, 255))


@pytest.fixture(scope="session")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``images`` (``spot0.png``..., ``plain0.png``...) and ``masks`` of the spots."""
    return write_spot_pictures(tmp_path_factory.mktemp("spots"), SPOTS, PLAIN)


@pytest.fixture(scope="session", autouse=True)
def few_steps() -> Iterator[None]:
    """Small pictures are learned soon."""
    with pytest.MonkeyPatch.context() as patched:
        few = replace(training.TRAINING, steps=60, batch=6, rate=0.012, average=0.9)
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
