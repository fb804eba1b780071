"""Amortised contours: what they find in images they were not trained on, and what that costs."""

from __future__ import annotations

import copy
from pathlib import Path

import planted_square as planted
import pytest
import tiny_data
import torch

from medcontour.benchmark import read_folder, run
from medcontour.benchmark.methods import (
    AmortisedContour,
    ExtremalContour,
    TrainingImages,
    method_named,
)
from medcontour.classifier import load_classifier
from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError


@pytest.mark.slow
def test_unseen_images_get_contours_like_those_of_the_search() -> None:
    model = planted.network()
    images, classes, _ = planted.others(64, seed=5)
    training = TrainingImages("squares", lambda: (images, classes), serves=100)
    method = AmortisedContour(training, steps=100)
    unseen, wanted, squares = planted.others(16, seed=6)
    found, searched = method(model, unseen, wanted), ExtremalContour()(model, unseen, wanted)
    assert found.evaluations.tolist() == pytest.approx([(8 * 100 + 64 * 6 / 4) / 100] * 16)
    mine, theirs, true = (maps > 0.5 for maps in (found.maps, searched.maps, squares))
    for other in (theirs, true):
        overlap = (mine & other).sum((1, 2, 3)) / (mine | other).sum((1, 2, 3))
        assert float(overlap.mean()) > 0.7


def test_the_network_is_left_as_it_came_and_a_seed_repeats() -> None:
    model = planted.network().train()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    images, classes, _ = planted.others(8, seed=1)
    training = TrainingImages("squares", lambda: (images, classes))
    method = AmortisedContour(training, steps=2)
    curves = method.predict(model, images, classes)
    assert isinstance(curves, FourierContour)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    again = AmortisedContour(training, steps=2).predict(model, images[3:4], classes[3:4])
    torch.testing.assert_close(again.center[0], curves.center[3], atol=1e-5, rtol=0)
    other = AmortisedContour(training, steps=2, seed=1).predict(model, images, classes)
    assert not torch.allclose(other.size, curves.size, atol=1e-5)


def test_tables_train_it_on_images_that_are_not_compared(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path / "data", images=11)
    tiny_data.torchscript(tmp_path / "cells.pt")
    model, data = load_classifier(tmp_path / "cells.pt"), read_folder(tmp_path / "data")
    (tmp_path / "out").mkdir()
    mine = {"amortised-contour": AmortisedContour(steps=3)}
    records = run(model, data, tmp_path / "out", mine, images=3).records
    assert [record.error for record in records] == [""] * 3
    spent = [record.values["evaluations"] for record in records]
    # Eight are left to train on, each with four backgrounds; three bear what that takes.
    assert spent == pytest.approx([(8 * 3 + 8 * 6 / 4) / 3] * 3)


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    model = planted.network()
    images, classes, _ = planted.others(2, seed=1)
    with pytest.raises(MedcontourError, match="trained on other images"):
        method_named("amortised-contour")(model, images, classes)
    with pytest.raises(MedcontourError, match="one step or more"):
        AmortisedContour(steps=0)
    embeds = planted.network()
    embeds.image_embedding = embeds.forward
    with pytest.raises(MedcontourError, match="take extremal-contour"):
        AmortisedContour(TrainingImages("", lambda: (images, classes)))(embeds, images, classes)
    small = TrainingImages("small", lambda: (images[..., :8], classes))
    with pytest.raises(MedcontourError, match="at least 16 rows"):
        AmortisedContour(small)(model, images, classes)
