"""Amortised contours: a network that predicts the curve, trained on other images of the kind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from medcontour.benchmark.methods.base import BACKWARD, FORWARD, Attribution, Method, held
from medcontour.benchmark.methods.plane_network import PlaneNetwork, check_training
from medcontour.benchmark.methods.training_images import TrainingImages
from medcontour.contour import FourierContour
from medcontour.errors import MedcontourError
from medcontour.explain import SHARP, Perturbation, TargetObjective
from medcontour.explain.background import AUTOMATIC, mildest
from medcontour.explain.objectives.objective import score_of_target
from medcontour.explain.search.area import area_cost
from medcontour.log_odds import Outputs, log_odds

__all__ = ["AmortisedContour", "ContourNetwork", "trained_contour_network"]

HARMONICS = 5
RATE, BATCH = 2e-3, 8
SOFT = 4.0  # tau at the first step; at the last it is that of every contour
START = math.log(0.3)  # size of a curve where nothing speaks
SPECTRAL_WEIGHT = 0.01


@dataclass(frozen=True)
class AmortisedContour(Method):
    r"""The star-convex contour that a small U-Net predicts, trained on other images.

    The U-Net sees the image (its shorter side shrunk to 64 pixels) and the class. One of its planes
    says how much each place has a say, the others what it says: the center is the mean place, size,
    harmonics and frame the mean of their planes. It is trained by the loss of the extremal contour
    (Eq. 5) with a fixed price of area, under an edge that grows sharp from the first step to the
    last.

    Training takes `steps` batches of eight preserved and deleted images, forward and backward, and
    once the four backgrounds of each training image; each explained image bears its part of that.
    Predicting takes no pass of the classifier.

    Attributes
    ----------
    training
        The images; the U-Net is trained at the first call, for the network of that call.
    outputs
        What the network gives: how that becomes the log-odds that a contour keeps.
    steps
        Of the training.
    area_weight
        What area costs, as of `ExtremalContour`.
    seed
        Of first weights and batches.

    Raises
    ------
    MedcontourError
        For fewer than one step, or a call without training images.
    """

    training: TrainingImages | None = None
    outputs: Outputs = "softmax"
    steps: int = 400
    area_weight: float = 10.0
    seed: int = 0
    _trained: list[tuple[ContourNetwork, float]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    name = "amortised-contour"
    draws_contour = True
    together = 8

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise MedcontourError(
                f"Contours are not learned in {self.steps} steps; give one step or more."
            )

    def predict(self, model: nn.Module, images: Tensor, targets: Tensor) -> FourierContour:
        """The contours themselves, of images (B, C, H, W) and their classes (B,)."""
        if self.training is None:
            raise MedcontourError(
                f'The method "{self.name}" has to be trained on other images of the kind; the '
                "tables do so by themselves, from Python give AmortisedContour(training=...)."
            )
        if hasattr(model, "image_embedding"):
            raise MedcontourError(
                f'The method "{self.name}" needs a class, and an embedding has none; take '
                "extremal-contour."
            )
        if not self._trained:
            given, classes = self.training.given()
            self._trained.append(trained_contour_network(self, model, given, classes))
        with torch.no_grad():
            found: FourierContour = self._trained[0][0](images, targets)
        return found

    def _explain(self, model: nn.Module, images: Tensor, targets: Tensor) -> Attribution:
        contours = self.predict(model, images, targets)
        points = Perturbation.of_images(images, images).points
        maps = contours.mask(points, SHARP).unsqueeze(1)
        assert self.training is not None
        part = self._trained[0][1] / self.training.serves
        return Attribution(maps.float(), torch.full((len(images),), part, device=images.device))


class ContourNetwork(nn.Module):
    """From images and classes to curves, by a `PlaneNetwork`.

    Parameters
    ----------
    images
        (N, C, H, W) of the training.
    classes
        How many it tells apart.
    """

    def __init__(self, images: Tensor, classes: int) -> None:
        super().__init__()
        self.planes = PlaneNetwork(images, classes, 2 + 2 * HARMONICS + 2)

    def forward(self, images: Tensor, targets: Tensor) -> FourierContour:
        """(B, C, H, W) and (B,) to B curves, in the plane coordinates of the images."""
        planes = self.planes(images, targets)
        rows, columns = planes.shape[-2:]
        planes = planes.flatten(2)
        say = planes[:, 0].softmax(-1)
        extent = Perturbation.of_images(images[:1], images[:1]).bounds[1]
        across = torch.linspace(-1, 1, columns, device=images.device) * extent[0]
        down = torch.linspace(-1, 1, rows, device=images.device) * extent[1]
        y, x = torch.meshgrid(down, across, indexing="ij")
        center = torch.stack([(say * x.flatten()).sum(-1), (say * y.flatten()).sum(-1)], -1)
        size, rest = (planes[:, 1:] * say.unsqueeze(1)).sum(-1).split([1, 2 * HARMONICS + 2], 1)
        harmonics, frame = (0.3 * rest).split([2 * HARMONICS, 2], 1)
        return FourierContour(
            center, START + size[:, 0], harmonics.view(len(images), HARMONICS, 2), frame
        )


def trained_contour_network(
    method: AmortisedContour, model: nn.Module, images: Tensor, targets: Tensor
) -> tuple[ContourNetwork, float]:
    """Train a contour network for a classifier.

    Parameters
    ----------
    method
        Whose settings are taken.
    model
        The classifier, left as it came.
    images, targets
        (N, C, H, W) and (N,): of the kind that is to be explained.

    Returns
    -------
    tuple
        The network, and the evaluations that its training took.

    Raises
    ------
    MedcontourError
        For no images, or such of fewer than 16 rows or columns.
    """
    check_training(images)

    def score(shown: Tensor) -> Tensor:
        return log_odds(model(shown).reshape(len(shown), -1), method.outputs)

    with held(model, images):
        torch.manual_seed(method.seed)
        with torch.no_grad():
            classes = score(images[:1]).shape[1]
            of_target = score_of_target(score, images, targets)
            everyone = torch.arange(len(images), device=images.device)
            background, _ = mildest(images, lambda shown: of_target(shown, everyone))
        objective = TargetObjective(score, images, background, targets)
        perturbation = Perturbation.of_images(images, background)
        network = ContourNetwork(images, classes).to(images.device).train()
        descent = torch.optim.Adam(network.parameters(), lr=RATE)
        order = torch.Generator().manual_seed(method.seed)
        for step in range(method.steps):
            which = torch.randint(len(images), (BATCH,), generator=order).to(images.device)
            curves = network(images[which], targets[which])
            share = step / max(method.steps - 1, 1)
            mask = curves.mask(perturbation.points, SOFT * (SHARP / SOFT) ** share)
            preserved, deleted = perturbation.similarities(objective, mask, which)
            area = area_cost(curves.share(perturbation.space), perturbation.space)
            loss = deleted - preserved + method.area_weight * area
            loss = (loss + SPECTRAL_WEIGHT * curves.spectral_energy()).mean()
            slopes = torch.autograd.grad(loss, list(network.parameters()))
            for parameter, slope in zip(network.parameters(), slopes, strict=True):
                parameter.grad = slope
            for group in descent.param_groups:
                group["lr"] = RATE * (1 + math.cos(math.pi * share)) / 2
            descent.step()
    spent = len(images) * FORWARD * (len(AUTOMATIC) + 2) + 2 * BACKWARD * BATCH * method.steps
    return network.eval().requires_grad_(False), spent
