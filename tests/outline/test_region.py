"""Ellipses whose boundary is known in closed form, followed from evidence of another size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.outline import Outline, follow_region, outline_candidates

SQUARE = PlaneGeometry(96, 128)
TALL = PlaneGeometry(64, 128, (2.0, 1.0))
WIDE = PlaneGeometry(128, 64, (0.9, 1.9))


@dataclass(frozen=True)
class Ellipse:
    """Centre as (column, row) index, half axes in mm, turned by `angle` from x towards y."""

    centre: tuple[float, float]
    half_axes: tuple[float, float]
    angle: float = 0.0

    def inside(self, plane: PlaneGeometry) -> np.ndarray:
        """(rows, columns) bool: pixels whose centre is inside."""
        row, column = np.mgrid[: plane.rows, : plane.columns]
        row_mm, column_mm = plane.pixel_spacing
        x, y = (column - self.centre[0]) * column_mm, (row - self.centre[1]) * row_mm
        u = x * math.cos(self.angle) + y * math.sin(self.angle)
        v = -x * math.sin(self.angle) + y * math.cos(self.angle)
        return np.hypot(u / self.half_axes[0], v / self.half_axes[1]) < 1


def picture(
    plane: PlaneGeometry,
    shapes: list[tuple[Ellipse, float]],
    noise: float = 0.0,
    seed: int = 0,
) -> Tensor:
    """(rows, columns) of ground 0 with ellipses of the given brightness, and noise of that sd."""
    image = np.random.default_rng(seed).normal(0, 1, (plane.rows, plane.columns)) * noise
    for ellipse, brightness in shapes:
        image[ellipse.inside(plane)] += brightness
    return torch.from_numpy(image).float()


def evidence(plane: PlaneGeometry, ellipse: Ellipse, scale: float = 0.7) -> FourierContour:
    """A circle at the ellipse's centre, of `scale` times the radius of as large a circle."""
    radius = scale * math.sqrt(ellipse.half_axes[0] * ellipse.half_axes[1]) / plane.unit_mm
    centre = plane.from_index(torch.tensor([ellipse.centre]))
    return FourierContour.circles(centre, torch.tensor([radius]))


def pixels(outline: Outline, plane: PlaneGeometry) -> np.ndarray:
    return outline.contour.contains(plane.pixel_centres())[0].numpy()


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.sum(a & b) / (a.sum() + b.sum()))


def follow(
    image: Tensor, plane: PlaneGeometry, start: FourierContour, polarity: float | None = None
) -> Outline | None:
    signs = None if polarity is None else torch.tensor([polarity])
    [outline] = follow_region(image[None], plane, start, signs)
    return outline


ROUND = Ellipse((70.0, 40.0), (14.0, 11.0), 0.3)
LONG = Ellipse((60.0, 48.0), (28.0, 7.0), 0.6)


@pytest.mark.parametrize("brightness", [1.0, -1.0], ids=["bright", "dark"])
@pytest.mark.parametrize(
    ("plane", "ellipse", "least"),
    [
        (SQUARE, ROUND, 0.95),
        (TALL, Ellipse((80.3, 30.4), (15.0, 10.0), -0.5), 0.95),
        (WIDE, Ellipse((30.2, 70.7), (16.0, 11.0), 1.2), 0.95),
        (SQUARE, LONG, 0.93),
    ],
    ids=["square pixels", "tall pixels", "wide pixels", "four to one"],
)
def test_an_ellipse_is_found(
    plane: PlaneGeometry, ellipse: Ellipse, least: float, brightness: float
) -> None:
    image = picture(plane, [(ellipse, brightness)], noise=0.1)
    found = follow(image, plane, evidence(plane, ellipse))
    assert found is not None
    assert found.quality["contrast"] * brightness > 0
    assert found.quality["edge"] > 0.8
    assert dice(pixels(found, plane), ellipse.inside(plane)) >= least


@pytest.mark.parametrize("scale", [1 / 2.5, 2.5])
def test_evidence_of_another_size(scale: float) -> None:
    image = picture(SQUARE, [(ROUND, 1.0)], noise=0.1)
    found = follow(image, SQUARE, evidence(SQUARE, ROUND, scale))
    assert found is not None
    assert dice(pixels(found, SQUARE), ROUND.inside(SQUARE)) >= 0.95


def test_evidence_beside_the_centre() -> None:
    image = picture(SQUARE, [(ROUND, 1.0)], noise=0.1)
    beside = Ellipse((ROUND.centre[0] + 5, ROUND.centre[1] - 4), ROUND.half_axes)
    found = follow(image, SQUARE, evidence(SQUARE, beside))
    assert found is not None
    assert dice(pixels(found, SQUARE), ROUND.inside(SQUARE)) >= 0.95


def test_noise_as_strong_as_half_the_contrast() -> None:
    image = picture(SQUARE, [(ROUND, 1.0)], noise=0.5)
    found = follow(image, SQUARE, evidence(SQUARE, ROUND))
    assert found is not None
    assert dice(pixels(found, SQUARE), ROUND.inside(SQUARE)) >= 0.93


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["bright", "dark"])
def test_the_polarity_asked_for_is_followed(sign: float) -> None:
    """Two objects of either polarity, and evidence that lies on both: the asked one is found."""
    bright = Ellipse((52.0, 48.0), (10.0, 10.0))
    dark = Ellipse((73.0, 48.0), (10.0, 10.0))
    image = picture(SQUARE, [(bright, 1.0), (dark, -1.0)], noise=0.05)
    between = Ellipse((62.5, 48.0), (10.0, 10.0))
    found = follow(image, SQUARE, evidence(SQUARE, between), polarity=sign)
    asked, other = (bright, dark) if sign > 0 else (dark, bright)
    assert found is not None
    assert found.quality["contrast"] * sign > 0
    assert dice(pixels(found, SQUARE), asked.inside(SQUARE)) >= 0.85
    assert dice(pixels(found, SQUARE), other.inside(SQUARE)) <= 0.1


def test_a_stronger_decoy_of_the_other_polarity_beside_it() -> None:
    decoy = Ellipse((70.0, 66.0), (14.0, 11.0))
    image = picture(SQUARE, [(ROUND, 1.0), (decoy, -2.0)], noise=0.1)
    found = follow(image, SQUARE, evidence(SQUARE, ROUND), polarity=1.0)
    assert found is not None
    assert found.quality["contrast"] > 0
    assert dice(pixels(found, SQUARE), ROUND.inside(SQUARE)) >= 0.88


def test_nothing_there_gives_none() -> None:
    start = evidence(SQUARE, ROUND)
    column = torch.arange(128.0).expand(96, 128)
    assert follow(column, SQUARE, start) is None, "a slope has no boundary"
    assert follow(torch.full((96, 128), 3.0), SQUARE, start) is None


def test_noise_alone_seldom_gives_an_outline() -> None:
    images = torch.stack([picture(SQUARE, [], noise=1.0, seed=seed) for seed in range(8)])
    starts = FourierContour.cat([evidence(SQUARE, ROUND, 2.5)] * 8)
    found = [outline for outline in follow_region(images, SQUARE, starts) if outline is not None]
    assert len(found) <= 2


def test_values_far_from_zero_change_nothing() -> None:
    """Hounsfield units or a scale from 0 to 1: the same boundary."""
    image = picture(SQUARE, [(ROUND, 1.0)], noise=0.1)
    start = evidence(SQUARE, ROUND)
    plain, shifted = follow(image, SQUARE, start), follow(image * 400 - 1000, SQUARE, start)
    assert plain is not None
    assert shifted is not None
    assert dice(pixels(plain, SQUARE), pixels(shifted, SQUARE)) >= 0.995


@pytest.mark.slow
def test_a_batch_equals_one_by_one() -> None:
    shapes = [ROUND, Ellipse((40.0, 60.0), (9.0, 12.0), 0.2), LONG]
    images = [
        picture(SQUARE, [(shape, sign)], noise=0.1, seed=seed)
        for seed, (shape, sign) in enumerate(zip(shapes, (1.0, -1.0, 1.0), strict=True))
    ]
    images.append(picture(SQUARE, [], noise=1.0, seed=9))
    starts = [evidence(SQUARE, shape) for shape in (*shapes, ROUND)]
    polarity = torch.tensor([1.0, -1.0, 0.0, 0.0])
    together = follow_region(torch.stack(images), SQUARE, FourierContour.cat(starts), polarity)
    for index, batched in enumerate(together):
        [alone] = follow_region(
            images[index][None], SQUARE, starts[index], polarity[index : index + 1]
        )
        assert (batched is None) == (alone is None)
        if batched is None or alone is None:
            continue
        torch.testing.assert_close(
            batched.contour.polygon(), alone.contour.polygon(), atol=1e-3, rtol=0
        )
        assert batched.quality["contrast"] == pytest.approx(alone.quality["contrast"], abs=1e-2)
        assert batched.quality["edge"] == pytest.approx(alone.quality["edge"], abs=0.05)


def test_candidates_differ_and_the_first_is_the_one_followed() -> None:
    """Two objects of either polarity under one evidence contour: both are offered."""
    bright, dark = Ellipse((50.0, 48.0), (10.0, 10.0)), Ellipse((75.0, 48.0), (9.0, 9.0))
    image = picture(SQUARE, [(bright, 1.0), (dark, -1.0)], noise=0.05)
    start = evidence(SQUARE, Ellipse((62.5, 48.0), (14.0, 14.0)))
    [offered] = outline_candidates(image[None], SQUARE, start, most=6)
    assert 2 <= len(offered) <= 6
    energies = [outline.energy for outline in offered]
    assert energies == sorted(energies)
    for shape in (bright, dark):
        best = max(dice(pixels(outline, SQUARE), shape.inside(SQUARE)) for outline in offered)
        assert best >= 0.85
    followed = follow(image, SQUARE, start)
    assert followed is not None
    assert followed.energy == offered[0].energy


def test_the_inputs_stay_as_they_are() -> None:
    image = picture(SQUARE, [(ROUND, 1.0)], noise=0.1)
    start = evidence(SQUARE, ROUND)
    before = image.clone(), {name: tensor.clone() for name, tensor in start.tensors().items()}
    follow(image, SQUARE, start, polarity=1.0)
    assert torch.equal(image, before[0])
    assert all(torch.equal(start.tensors()[name], value) for name, value in before[1].items())


def test_what_was_not_measured_does_not_move_an_outline() -> None:
    """Padding beside an object, whatever its value, is neither inside nor outside."""
    points = SQUARE.pixel_centres()
    disc = (points.norm(dim=-1) < 0.3).float()
    image = disc + 0.05 * torch.rand(disc.shape, generator=torch.Generator().manual_seed(0))
    measured = points[..., 0] < 0.38
    start = FourierContour.circles(torch.zeros(1, 2), torch.tensor([0.2]))
    found = []
    for value in (-20.0, 0.0, 20.0):
        padded = torch.where(measured, image, torch.full_like(image, value))
        [[best, *_]] = outline_candidates(
            padded[None], SQUARE, start, most=1, measured=measured[None]
        )
        found.append(best)
    assert found[0].clear
    assert abs(float(found[0].contour.mean_radius) - 0.3) < 0.02
    for other in found[1:]:
        torch.testing.assert_close(other.contour.tensors(), found[0].contour.tensors())
