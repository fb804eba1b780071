"""Objectives of any function, a detector and a segmentation network, each by its closed form.

The images hold two bright squares, at different places, on pixels that are not square; every
objective asks for one of them, and its contour has to lie on that one and not on the other.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from medcontour.errors import MedcontourError
from medcontour.explain import (
    BoxObjective,
    CallableObjective,
    ExtremalContours,
    Objective,
    RegionObjective,
    TargetObjective,
)
from medcontour.explain.objectives.dense import box_overlap
from medcontour.explain.objectives.objective import ScoreScale

SPACING = (1.5, 1.0)
# x0, y0, x1, y1 in pixels, on the grid of the detector's cells of 8 pixels.
LEFT = torch.tensor([8.0, 8.0, 16.0, 16.0])
RIGHT = torch.tensor([48.0, 24.0, 56.0, 32.0])


def scene() -> Tensor:
    images = torch.zeros(1, 1, 40, 64)
    for x0, y0, x1, y1 in torch.stack([LEFT, RIGHT]).int().tolist():
        images[..., y0:y1, x0:x1] = 1.0
    return images


def inside(box: Tensor) -> Tensor:
    mask = torch.zeros(40, 64, dtype=torch.bool)
    x0, y0, x1, y1 = box.int().tolist()
    mask[y0:y1, x0:x1] = True
    return mask


class DenseHead(torch.nn.Module):
    """One box a cell of 8 x 8 pixels; its score is how bright the cell is."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = torch.nn.Conv2d(1, 1, 8, 8)
        torch.nn.init.constant_(self.cells.weight, 8 / 64)
        torch.nn.init.constant_(self.cells.bias, -4.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.cells(images).sigmoid().flatten(1)
        row, column = torch.meshgrid(torch.arange(5.0), torch.arange(8.0), indexing="ij")
        corner = 8 * torch.stack([column, row], -1).reshape(-1, 2)
        boxes = torch.cat([corner, corner + 8], 1)
        return boxes.expand(len(images), -1, -1), scores


class Detector(torch.nn.Module):
    """The same in torchvision's convention: a list of dictionaries, weak boxes left out."""

    def __init__(self) -> None:
        super().__init__()
        self.head = DenseHead()

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        boxes, scores = self.head(images)
        answer = []
        for box, score in zip(boxes, scores, strict=True):
            keep = score > 0.01
            found, sure = box[keep], score[keep]
            # A sure box of another class at the same place must not matter.
            answer.append(
                {
                    "boxes": torch.cat([found, found]),
                    "labels": torch.cat([torch.ones(len(sure)), torch.full((len(sure),), 2)]),
                    "scores": torch.cat([sure, torch.ones(len(sure))]),
                }
            )
        return answer


class Segmenter(torch.nn.Module):
    """Two classes at half the size: the logit of the second is 8 x brightness - 4."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 2, 2)
        torch.nn.init.zeros_(self.conv.weight)
        torch.nn.init.constant_(self.conv.weight[1], 8 / 4)
        self.conv.bias.data = torch.tensor([0.0, -4.0])

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images)


def dense(box: Tensor) -> tuple[torch.nn.Module, Callable[[Tensor, Tensor], Objective]]:
    head = DenseHead()
    return head, lambda images, grounds: BoxObjective(head, images, grounds, box)


def listed(box: Tensor) -> tuple[torch.nn.Module, Callable[[Tensor, Tensor], Objective]]:
    detector = Detector()
    return detector, lambda images, grounds: BoxObjective(detector, images, grounds, box, label=1)


def region(box: Tensor) -> tuple[torch.nn.Module, Callable[[Tensor, Tensor], Objective]]:
    network = Segmenter()
    return network, lambda images, grounds: RegionObjective(
        network, images, grounds, inside(box), target=1
    )


def function(box: Tensor) -> tuple[torch.nn.Module, Callable[[Tensor, Tensor], Objective]]:
    where = inside(box)
    return torch.nn.Identity(), lambda images, grounds: CallableObjective(
        lambda x: x[:, 0, where].mean(1), images, grounds
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", [dense, listed, region, function])
@pytest.mark.parametrize(("wanted", "other"), [(LEFT, RIGHT), (RIGHT, LEFT)])
def test_the_contour_lies_on_the_object_asked_for(
    kind: Callable[..., tuple[torch.nn.Module, Callable[[Tensor, Tensor], Objective]]],
    wanted: Tensor,
    other: Tensor,
) -> None:
    network, objective = kind(wanted)
    explain = ExtremalContours(
        network, background=torch.zeros_like, pixel_spacing=SPACING, objective=objective
    )
    images = scene()
    fit = explain.fit(images)
    mask = explain.attribute(images)[0, 0]
    assert mask[inside(wanted)].mean() > 0.8
    assert mask[inside(other)].max() < 0.1
    assert fit.preserved.item() > 0.7
    assert fit.deleted.item() < 0.3
    assert fit.original_score is not None
    assert fit.background_score is not None
    assert fit.background_score.item() < fit.original_score.item()


def test_a_detectors_score_is_that_of_the_best_matching_box() -> None:
    images, box = scene(), LEFT + torch.tensor([2.0, 0.0, 2.0, 0.0])  # overlaps by 6 of 10 columns
    bright, dark = torch.tensor(4.0).sigmoid(), torch.tensor(-4.0).sigmoid()
    for objective in (
        BoxObjective(DenseHead(), images, 0 * images, box),
        BoxObjective(Detector(), images, 0 * images, box, label=1),
    ):
        assert objective.original_score.item() == pytest.approx(0.6 * bright.item(), rel=1e-5)
        assert objective.background_score.item() == pytest.approx(0.6 * dark.item(), rel=1e-5)
    none = BoxObjective(Detector(), images, 0 * images, box, label=3)
    inputs = images.clone().requires_grad_(True)
    score = none.score(inputs, torch.tensor([0]))
    score.sum().backward()
    assert score.item() == 0
    assert inputs.grad is not None
    assert (inputs.grad == 0).all()


def test_each_image_has_its_own_box_and_its_own_region() -> None:
    images = scene().expand(2, -1, -1, -1) * torch.tensor([1.0, 0.5]).view(2, 1, 1, 1)
    grounds, which = 0 * images, torch.tensor([1, 0])
    boxes = torch.stack([LEFT, RIGHT])
    only_left = images[[0]] * inside(LEFT)
    changed = only_left.expand(2, -1, -1, -1)
    head = BoxObjective(DenseHead(), images, grounds, boxes)
    assert head.similarity(changed, which).tolist() == pytest.approx([0.0, 1.0], abs=0.01)
    regions = torch.stack([inside(LEFT), inside(RIGHT)])
    listening = RegionObjective(lambda x: x * 8 - 4, images, grounds, regions, target=0)
    assert listening.original_score.tolist() == [4.0, 0.0]
    assert listening.score(changed, which).tolist() == [-4.0, 4.0]


def test_a_region_is_the_mean_of_softmax_log_odds() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 40, 64, generator=generator)
    images = scene().expand(2, -1, -1, -1)

    def network(inputs: Tensor) -> dict[str, Tensor]:
        return {"out": logits.repeat(len(inputs) // len(logits), 1, 1, 1)}

    objective = RegionObjective(network, images, images, inside(RIGHT), target=2)
    probability = logits.softmax(1)[:, 2]
    expected = probability.logit()[:, inside(RIGHT)].mean(1)
    assert torch.allclose(objective.original_score, expected, atol=1e-4)


coordinate = st.floats(-20, 20)


@given(st.lists(coordinate, min_size=4, max_size=4), st.lists(coordinate, min_size=4, max_size=4))
def test_overlap_of_boxes(one: list[float], two: list[float]) -> None:
    from shapely.geometry import box as rectangle

    boxes = [
        torch.tensor([min(x0, x1), min(y0, y1), max(x0, x1) + 1, max(y0, y1) + 1])
        for x0, y0, x1, y1 in (one, two)
    ]
    judges = [rectangle(*b.tolist()) for b in boxes]
    expected = judges[0].intersection(judges[1]).area / judges[0].union(judges[1]).area
    assert box_overlap(boxes[0], boxes[1]).item() == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(st.floats(-50, 50), st.floats(0.01, 50), st.floats(-100, 100))
def test_the_scale_is_monotone_and_goes_both_ways(low: float, span: float, score: float) -> None:
    scale = ScoreScale(
        torch.tensor([low + span], dtype=torch.float64),
        torch.tensor([low], dtype=torch.float64),
        1e-3,
    )
    which = torch.tensor([0, 0, 0, 0])
    scores = torch.tensor([low, low + span, score, score + 0.5], dtype=torch.float64)
    similarity = scale.similarity(scores, which)
    assert similarity[:2].tolist() == pytest.approx([0.0, 1.0], abs=1e-9)
    assert similarity[2] < similarity[3]
    assert scale.score(similarity, which).tolist() == pytest.approx(scores.tolist(), abs=1e-6)


def test_any_unit_gives_the_same_similarity() -> None:
    images = scene()
    half = 0.5 * images
    for unit in (1e-3, 1.0, 1e4):
        objective = CallableObjective(
            lambda x, unit=unit: unit * x.mean((1, 2, 3)), images, 0 * images
        )
        assert objective.similarity(half, torch.tensor([0])).item() == pytest.approx(0.5, rel=1e-4)


def test_targets_may_differ_between_images() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(3, 1, 4, 4, generator=generator)
    changed = torch.rand(3, 1, 4, 4, generator=generator)
    grounds, which = 0 * images, torch.arange(3)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 5))
    together = TargetObjective(network, images, grounds, [4, 0, 2]).similarity(changed, which)
    for index, target in enumerate((4, 0, 2)):
        some = slice(index, index + 1)
        alone = TargetObjective(network, images[some], grounds[some], target)
        similarity = alone.similarity(changed[some], which[:1])
        assert torch.allclose(similarity, together[some], atol=1e-5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda x: TargetObjective(torch.nn.Flatten(), x, x, [1, 2]), "one for each image"),
        (lambda x: TargetObjective(torch.nn.Flatten(), x, x, -1), "choose from 0 to 2559"),
        (lambda x: TargetObjective(torch.nn.Flatten(), x, x, torch.tensor([0.5])), "an integer"),
        (lambda x: CallableObjective(lambda y: y, x, x), "one number an image"),
        (lambda x: BoxObjective(DenseHead(), x, x, torch.zeros(3)), "x0, y0, x1, y1"),
        (lambda x: BoxObjective(lambda y: y, x, x, LEFT), "pair of boxes and scores"),
        (lambda x: RegionObjective(Segmenter(), x, x, torch.ones(3, 3), 0), "does not fit images"),
        (lambda x: RegionObjective(Segmenter(), x, x, 0 * x[0, 0], 0), "holds no pixel"),
        (lambda x: RegionObjective(Segmenter(), x, x, x[0, 0], 2), "there is no class 2"),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    make: Callable[[Tensor], Objective], sentence: str
) -> None:
    with pytest.raises(MedcontourError, match=sentence):
        make(scene())


def test_gradients_of_the_box_score_are_those_of_the_score_alone() -> None:
    images = scene()
    inputs = (0.6 * images).requires_grad_(True)
    objective = BoxObjective(DenseHead(), images, 0 * images, LEFT)
    objective.score(inputs, torch.tensor([0])).sum().backward()
    chance = F.sigmoid(torch.tensor(0.6 * 8 - 4))
    assert inputs.grad is not None
    expected = chance * (1 - chance) * 8 / 64
    assert inputs.grad[0, 0][inside(LEFT)].numpy() == pytest.approx(expected.item(), rel=1e-4)
    assert (inputs.grad[0, 0][~inside(LEFT)] == 0).all()
