"""The extremal contour as a method among others, and a random contour as the floor."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medcontour.benchmark.methods.base import Attribution, Method
from medcontour.contour import FourierContour
from medcontour.explain import (
    SHARP,
    ExtremalContours,
    ExtremalFit,
    Perturbation,
    check_area,
)
from medcontour.explain.choices import (
    Background,
    BackgroundName,
    PresetName,
    with_defaults,
)
from medcontour.explain.search.area import scaled_to_area
from medcontour.log_odds import Outputs

__all__ = ["ExtremalContour", "RandomContour"]


@dataclass(frozen=True)
class Drawn:
    """How a random contour is drawn: shapes such as the fast preset finds.

    Attributes
    ----------
    harmonics
        As many as both presets have.
    waviness
        Standard deviation of the first harmonic, in the logarithm of the radius; the k-th has
        1 / k of it. This and `frame` were chosen by eye: blobs, neither discs nor stars.
    frame
        Standard deviation of the anisotropic frame's two numbers.
    """

    harmonics: int = 5
    waviness: float = 0.25
    frame: float = 0.3


DRAWN = Drawn()


@dataclass(frozen=True)
class ExtremalContour(Method):
    """The soft mask at tau = 100 of a star-convex extremal contour.

    Evaluations are those of the search; nothing in it is drawn at random.

    Attributes
    ----------
    preset, background, area_weight
        As `ExtremalContours` takes them, with the same defaults.
    outputs
        What the network gives: how that becomes the log-odds that a contour keeps.
    seed
        Changes nothing.
    """

    preset: PresetName = "fast"
    background: BackgroundName | Background | None = None
    area_weight: float | None = None
    outputs: Outputs = "softmax"
    seed: int = 0

    draws_contour = True
    together = 8

    def __post_init__(self) -> None:
        # As they are told: records are known again by them.
        area_weight, background = with_defaults(self.preset, self.area_weight, self.background)
        object.__setattr__(self, "area_weight", area_weight)
        object.__setattr__(self, "background", background)

    @property
    def name(self) -> str:  # type: ignore[override]
        """As the tables call it."""
        return "extremal-contour" if self.preset == "fast" else f"extremal-contour-{self.preset}"

    def fit(self, model: nn.Module, images: Tensor, targets: Tensor) -> ExtremalFit:
        """Find the contours themselves."""
        explain = ExtremalContours(
            model,
            outputs=self.outputs,
            preset=self.preset,
            background=self.background,
            area_weight=self.area_weight,
        )
        return explain.fit(images, targets)

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        fit = self.fit(model, images, targets)
        points = Perturbation.of_images(images, images).points
        maps = fit.contours.detach().mask(points, SHARP).unsqueeze(1)
        return Attribution(maps.float(), fit.evaluations.float())


@dataclass(frozen=True)
class RandomContour(Method):
    """A random star-convex contour: what a map reaches without looking at the image.

    Its center is anywhere in the image, its shape a random curve of five harmonics in a random
    frame, its area inside the image that of `area`. It is drawn from the seed and the image's own
    values, so that it does not depend on the batch that an image comes in.

    Evaluations are 0: the network is run for the area at most, and that search is the extremal
    contour's own.

    Attributes
    ----------
    seed
        Another one draws other contours.
    area
        Share of the image to cover; None takes that of the extremal contour of the same image.
    like
        The extremal contour whose area is taken.
    """

    seed: int = 0
    area: float | None = None
    like: ExtremalContour = ExtremalContour()

    name = "random"
    draws_contour = True
    together = 8

    def __post_init__(self) -> None:
        if self.area is not None:
            check_area(self.area)

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        perturbation = Perturbation.of_images(images, images)
        plane = perturbation.plane
        if self.area is None:
            found = self.like.fit(model, images, targets).curves.detach()
            share = found.area_inside(plane) / plane.area
        else:
            share = torch.full((len(images),), self.area, device=images.device)
        drawn = FourierContour.cat([_drawn(image, perturbation, self.seed) for image in images])
        curves = scaled_to_area(drawn, plane, share)
        maps = curves.mask(perturbation.points, SHARP).unsqueeze(1)
        return Attribution(maps.float(), torch.zeros(len(images), device=images.device))


def _drawn(image: Tensor, perturbation: Perturbation, seed: int) -> FourierContour:
    """One random curve for an image, on its device."""
    values = image.float().cpu().contiguous().numpy().tobytes()
    # torch looks at the lowest 32 bits of a seed alone.
    chance = torch.Generator().manual_seed(zlib.crc32(values, seed % 2**32))
    low, high = (bound.cpu() for bound in perturbation.bounds)
    center = low + torch.rand(1, 2, generator=chance) * (high - low)
    falling = torch.arange(1, DRAWN.harmonics + 1).pow(-1.0).view(1, -1, 1)
    harmonics = DRAWN.waviness * falling * torch.randn(1, DRAWN.harmonics, 2, generator=chance)
    frame = DRAWN.frame * torch.randn(1, 2, generator=chance)
    curve = FourierContour(center, torch.tensor([-1.0]), harmonics, frame)
    return curve.to(image.device)
