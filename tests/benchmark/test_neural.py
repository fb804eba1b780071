"""Amortised masks: what they find in images that they were not trained on, and what that costs."""

from __future__ import annotations

import copy
from pathlib import Path

import planted_square as planted
import pytest
import tiny_data
import torch
from torch import Tensor, nn

from medcontour.benchmark import read_folder, run
from medcontour.benchmark.compare.cases import usable_cases
from medcontour.benchmark.compare.training import with_training
from medcontour.benchmark.methods import Iba, NeuralMask, Rise, TrainingImages, method_named
from medcontour.classifier import load_classifier
from medcontour.errors import MedcontourError


@pytest.mark.slow
@pytest.mark.parametrize("targeted", [True, False])
def test_unseen_images_get_masks_of_the_area_that_hold_the_evidence(targeted: bool) -> None:
    model = planted.network()
    images, classes, _ = planted.others(64, seed=5)
    training = TrainingImages("squares", lambda: (images, classes), serves=100)
    method = NeuralMask(targeted, training, steps=150)
    unseen, wanted, squares = planted.others(16, seed=6)
    found = method(model, unseen, wanted)
    held = (found.maps * squares).sum((1, 2, 3)) / squares.sum((1, 2, 3))
    assert float(held.mean()) > 0.95
    assert float(found.maps.mean()) == pytest.approx(0.1, abs=0.02)
    spent = 0.5 * 8 * 150 + (0 if targeted else 0.25 * 64)
    assert found.evaluations.tolist() == pytest.approx([spent / 100] * 16)


class _BrightOrDark(nn.Module):
    """Class 0 where something is bright, class 1 where something is dark."""

    def forward(self, x: Tensor) -> Tensor:
        return 100 * torch.cat([(x - 0.3).relu(), (-x - 0.3).relu()], 1).mean((2, 3))


@pytest.mark.slow
def test_nemt_is_told_the_class() -> None:
    """Of one and the same image it holds what is bright, or what is dark."""
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(40, 1, 32, 32)
    for image in images:
        top = torch.randint(0, 24, (2,), generator=generator).tolist()
        left = torch.randint(0, 8, (2,), generator=generator).tolist()
        image[:, top[0] : top[0] + 8, left[0] : left[0] + 8] = 1.0
        image[:, top[1] : top[1] + 8, left[1] + 16 : left[1] + 24] = -1.0
    seen, unseen = images[:32], images[32:]
    classes = torch.arange(32) % 2
    training = TrainingImages("pairs", lambda: (seen, classes))
    method = NeuralMask(True, training, steps=200)
    for wanted, objects in ((0, unseen > 0), (1, unseen < 0)):
        maps = method(_BrightOrDark(), unseen, torch.full((8,), wanted)).maps
        own = (maps * objects).sum() / objects.sum()
        other = (maps * ((unseen != 0) & ~objects)).sum() / objects.sum()
        assert float(own) > 0.7
        assert float(other) < 0.3


def test_the_network_is_left_as_it_came_and_a_seed_repeats() -> None:
    model = planted.network().train()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    images, classes, _ = planted.others(8, seed=1)
    training = TrainingImages("squares", lambda: (images, classes))
    method = NeuralMask(True, training, steps=2)
    maps = method(model, images, classes).maps
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    again = NeuralMask(True, training, steps=2)
    alone = again(model, images[3:4], classes[3:4]).maps
    torch.testing.assert_close(alone[0], maps[3], atol=1e-5, rtol=0)
    other = NeuralMask(True, training, steps=2, seed=1)(model, images, classes).maps
    assert not torch.allclose(other, maps, atol=1e-5)


def test_tables_train_it_on_images_that_are_not_compared(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path / "data", images=11)
    tiny_data.torchscript(tmp_path / "cells.pt")
    model, data = load_classifier(tmp_path / "cells.pt"), read_folder(tmp_path / "data")
    for out in ("three", "four"):
        (tmp_path / out).mkdir()
    mine = {"nemt": NeuralMask(steps=3), "nem-u": NeuralMask(targeted=False, steps=3)}
    records = run(model, data, tmp_path / "three", mine, images=3).records
    assert [record.error for record in records] == [""] * 6
    spent = {record.method: record.values["evaluations"] for record in records}
    # Eight are left to train on; three bear what that takes.
    assert spent["nemt"] == pytest.approx(0.5 * 8 * 3 / 3)
    assert spent["nem-u"] == pytest.approx((0.5 * 8 * 3 + 0.25 * 8) / 3)
    few = run(model, data, tmp_path / "four", {"nemt": NeuralMask(steps=3)}, images=4).records
    assert all("of which 7 can be used" in record.error for record in few)


def test_images_to_learn_from_are_none_of_those_compared(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path / "data", images=11)
    tiny_data.torchscript(tmp_path / "cells.pt")
    model, data = load_classifier(tmp_path / "cells.pt"), read_folder(tmp_path / "data")
    settled = Rise()
    given = with_training({"iba": [Iba()], "rise": [settled]}, model, data, 3, 0, 1.0)
    assert given["rise"] == [settled]
    images, classes = given["iba"][0].training.given()
    compared = torch.cat([case.inputs for case in usable_cases(model, data, images=3)])
    assert len(images) == len(classes) == 8
    assert not any(torch.equal(one, other) for one in images for other in compared)
    assert given["iba"][0].training.serves == 3
    tiny_data.planted(tmp_path / "others", images=9)
    others = read_folder(tmp_path / "others")
    apart = with_training({"iba": [Iba()]}, model, data, 11, 0, 1.0, others)["iba"][0].training
    assert apart.serves == 11
    assert len(apart.given()[0]) == 9


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    model = planted.network()
    images, classes, _ = planted.others(2, seed=1)
    with pytest.raises(MedcontourError, match="trained on other images"):
        method_named("nemt")(model, images, classes)
    with pytest.raises(MedcontourError, match="between 0 and 1"):
        NeuralMask(area=0.0)
    embeds = planted.network()
    embeds.image_embedding = embeds.forward
    with pytest.raises(MedcontourError, match="take nem-u"):
        NeuralMask(training=TrainingImages("", lambda: (images, classes)))(embeds, images, classes)
    small = TrainingImages("small", lambda: (images[..., :8], classes))
    with pytest.raises(MedcontourError, match="at least 16 rows"):
        NeuralMask(training=small)(model, images, classes)
