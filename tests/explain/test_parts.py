"""Backgrounds, objectives, variants and random places, each against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from planted_images import Planted
from scipy import ndimage

from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.explain import (
    BACKGROUNDS,
    EmbeddingObjective,
    ExtremalContours,
    GaussianBackground,
    Perturbation,
    TargetObjective,
    evidence_polarity,
)
from medcontour.explain.analysis.placement import placed_at_random, turned
from medcontour.explain.background import gaussian_blur


def test_the_gaussian_is_scipys() -> None:
    image = torch.randn(1, 2, 40, 50, generator=torch.Generator().manual_seed(0))
    ours = gaussian_blur(image, (3.0, 2.0)).numpy()
    scipys = ndimage.gaussian_filter(image.numpy(), (0, 0, 3.0, 2.0), mode="mirror", truncate=3.0)
    assert np.abs(ours - scipys).max() < 1e-5


def test_the_papers_blur_is_nearly_a_box_of_21_pixels() -> None:
    impulse = torch.zeros(1, 1, 61, 61)
    impulse[0, 0, 30, 30] = 1.0
    spread = BACKGROUNDS["blur"](impulse)[0, 0].sum(0)
    offsets = torch.arange(61.0) - 30
    assert int((spread > 0).sum()) == 21
    assert (spread * offsets**2).sum().sqrt().item() == pytest.approx(5.9, abs=0.05)


@pytest.mark.parametrize("name", sorted(BACKGROUNDS))
def test_a_background_keeps_shape_and_mean(name: str) -> None:
    images = torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(1))
    background = BACKGROUNDS[name](images)
    assert background.shape == images.shape
    assert torch.allclose(background.mean((-1, -2)), images.mean((-1, -2)), atol=0.05)
    assert (background.std((-1, -2)) < images.std((-1, -2))).all()


def test_a_gaussian_in_millimetres_is_as_wide_both_ways_on_pixels_that_are_not_square() -> None:
    impulse = torch.zeros(1, 1, 81, 161)
    impulse[0, 0, 40, 80] = 1.0
    spread = GaussianBackground(8.0, pixel_spacing=(2.0, 1.0))(impulse)[0, 0]
    rows, columns = (torch.arange(81.0) - 40) * 2.0, torch.arange(161.0) - 80
    along_rows = (spread.sum(1) * rows**2).sum().sqrt().item()
    along_columns = (spread.sum(0) * columns**2).sum().sqrt().item()
    assert along_rows == pytest.approx(along_columns, rel=0.01)
    assert along_columns == pytest.approx(8.0, rel=0.03)  # cut at 3 sigma


@pytest.mark.parametrize(("sigma", "spacing"), [(0.0, (1.0, 1.0)), (4.0, (0.0, 1.0))])
def test_a_gaussian_of_no_width_is_refused(sigma: float, spacing: tuple[float, float]) -> None:
    with pytest.raises(MedcontourError, match="give positive millimetres"):
        GaussianBackground(sigma, spacing)


@pytest.mark.slow
def test_a_background_may_be_any_callable_and_pixels_need_not_be_square() -> None:
    row, column = torch.meshgrid(torch.arange(32.0), torch.arange(64.0), indexing="ij")
    disc = ((row - 15.5) * 2).square() + (column - 31.5).square() < 18.0**2  # millimetres
    images = disc.float()[None, None]
    explain = ExtremalContours(
        lambda x: 20 * (x * images).sum((-1, -2)) / images.sum() - 10,
        background=torch.zeros_like,
        pixel_spacing=(2.0, 1.0),
    )
    fit = explain.fit(images, target=0, area=disc.float().mean().item())
    inside = explain.attribute(images, target=0, area=disc.float().mean().item())[0, 0] > 0.5
    assert fit.area_fraction.item() == pytest.approx(disc.float().mean().item(), abs=0.01)
    assert 2 * (inside & disc).sum() / (inside.sum() + disc.sum()) > 0.9
    x, y = (fit.contours.polygon(64)[0] * 32.0).unbind(-1)  # half of 64 mm is one unit
    assert (x.amax() - x.amin()).item() == pytest.approx((y.amax() - y.amin()).item(), rel=0.15)
    with pytest.raises(MedcontourError, match="is not positive"):
        ExtremalContours(torch.nn.Identity(), pixel_spacing=(0.0, 1.0))


def test_variants_are_eq_3_and_eq_4(planted: Planted) -> None:
    which = torch.tensor([2, 0])
    mask = torch.rand(2, 64, 96)
    x = planted.images[which]
    b = planted.perturbation.background[which]
    m = mask.unsqueeze(1)
    assert torch.allclose(planted.perturbation.preserved(mask, which), m * x + (1 - m) * b)
    assert torch.allclose(planted.perturbation.deleted(mask, which), (1 - m) * x + m * b, atol=1e-6)


def test_the_target_objective_measures_from_background_to_original(planted: Planted) -> None:
    objective = planted.objective()
    which = torch.arange(3)
    assert objective.similarity(planted.images, which).tolist() == pytest.approx([1.0] * 3)
    ground = objective.similarity(planted.perturbation.background, which)
    assert ground.tolist() == pytest.approx([0.0] * 3, abs=1e-5)
    brighter = planted.images * torch.tensor([2.0, 1.0]).view(1, 2, 1, 1)
    beyond = objective.similarity(brighter, which)
    assert (beyond > 1).all()
    assert torch.allclose(
        objective.probability(beyond, which),
        planted.score(brighter)[:, 0].sigmoid(),
        atol=1e-5,
    )


def test_the_embedding_objective_is_the_cosine_of_eq_13() -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(2, 1, 8, 8, generator=generator)
    background = torch.rand(2, 1, 8, 8, generator=generator)
    other = torch.rand(2, 1, 8, 8, generator=generator)
    which = torch.arange(2)
    expected = F.cosine_similarity(other.flatten(1), images.flatten(1))
    paper = EmbeddingObjective(lambda x: x.flatten(1), images, background, normalise=False)
    assert torch.allclose(paper.similarity(other, which), expected)
    ours = EmbeddingObjective(lambda x: x.flatten(1), images, background)
    c_b = F.cosine_similarity(background.flatten(1), images.flatten(1))
    assert torch.allclose(ours.background_similarity, c_b)
    assert torch.allclose(ours.similarity(other, which), (expected - c_b) / (1 - c_b), atol=1e-5)


def test_turning_a_curve_turns_its_polygon() -> None:
    curve = FourierContour(
        torch.tensor([[0.2, -0.1]]),
        torch.tensor([-1.0]),
        0.1 * torch.randn(1, 5, 2, generator=torch.Generator().manual_seed(4)),
        torch.tensor([[0.4, 0.2]]),
    )
    angle = torch.tensor([0.7])
    polygon = (curve.polygon(720)[0] - curve.center).numpy()
    rotation = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    other = (turned(curve, angle).polygon(720)[0] - curve.center).numpy()
    gaps = np.linalg.norm((polygon @ rotation.T)[:, None] - other[None], axis=-1).min(1)
    assert gaps.max() < 5e-3  # half the distance between two vertices


def test_placements_stay_in_the_body_and_off_the_contour(planted: Planted) -> None:
    curve = planted.truth[[0]]
    points = planted.perturbation.points
    body = points[:, :60].reshape(-1, 2)
    moved = placed_at_random(curve, body, 30, torch.Generator().manual_seed(0))
    allowed = {tuple(point) for point in body.tolist()}
    assert all(tuple(center) in allowed for center in moved.center.tolist())
    own = curve.contains(points)[0]
    overlap = (moved.contains(points) & own).float().sum((-1, -2)) / own.sum()
    assert (overlap <= 0.6).all()
    assert torch.allclose(moved.area(), curve.area().expand(30), rtol=1e-4)


def test_attribute_leaves_the_network_as_it_was() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.Dropout(0.5), torch.nn.Flatten(), torch.nn.LazyLinear(2)
    )
    images = torch.rand(2, 1, 16, 16)
    network(images)
    network[3].weight.requires_grad_(False)
    network.train()
    before = torch.random.get_rng_state()
    maps = ExtremalContours(network).attribute(images, target=1)
    assert maps.shape == (2, 1, 16, 16)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(module.training for module in network.modules())
    needed = [p.requires_grad for p in network.parameters()]
    assert needed == [True, True, False, True]
    assert all(p.grad is None for p in network.parameters())


def test_points_may_be_transposed_and_off_the_plane(planted: Planted) -> None:
    """A network whose input is the transposed, padded plane gets the same masks."""
    wide = torch.nn.functional.pad(planted.images, (4, 4, 2, 2)).transpose(-1, -2)
    step = planted.perturbation.points
    row = torch.arange(-2, 66.0)
    column = torch.arange(-4, 100.0)
    index = torch.stack(torch.meshgrid(column, row, indexing="ij"), -1)
    points = planted.perturbation.plane.from_index(index)
    moved = Perturbation(wide, wide * 0, points, planted.perturbation.plane)
    mask = planted.truth.mask(points)
    inner = mask[:, 4:-4, 2:-2].transpose(-1, -2)
    assert torch.allclose(inner, planted.truth.mask(step), atol=1e-5)
    low, high = moved.bounds
    assert torch.allclose(high, torch.tensor(moved.plane.extent))
    assert torch.allclose(low, -torch.tensor(moved.plane.extent))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_polarity_tells_bright_evidence_from_dark(planted: Planted, sign: float) -> None:
    images, background = (
        sign * x[:1, :1] for x in (planted.images, planted.perturbation.background)
    )
    where = planted.mask[0] / planted.mask[0].sum()
    perturbation = Perturbation(
        images, background, planted.perturbation.points, planted.perturbation.plane
    )
    objective = TargetObjective(
        lambda x: 18 * sign * (x[:, 0] * where).sum((-1, -2)).unsqueeze(1) - 6,
        images,
        background,
        target=0,
    )
    polarity = evidence_polarity(perturbation, objective, planted.truth[[0]], torch.tensor([0]))
    assert polarity.sign().tolist() == [sign]
