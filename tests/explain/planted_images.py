"""A classifier whose evidence is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry
from medcontour.explain import Perturbation, TargetObjective

GEOMETRY = PlaneGeometry(64, 96, (1.5, 1.0))


@dataclass
class Planted:
    """Bright ellipses on a textured ground; the answer is how bright the ellipse's place is."""

    truth: FourierContour
    mask: Tensor  # (B, H, W)
    images: Tensor
    perturbation: Perturbation

    @staticmethod
    def score(inputs: Tensor) -> Tensor:
        """(B, 1) log-odds: 12 for the bright ellipse, -6 for the ground.

        The second channel says where to look; it is the same in the background.
        """
        return 18 * (inputs[:, 0] * inputs[:, 1]).sum((-1, -2)).unsqueeze(1) - 6

    def objective(self) -> TargetObjective:
        return TargetObjective(self.score, self.images, self.perturbation.background, target=0)

    def dice(self, curves: FourierContour) -> Tensor:
        inside = curves.contains(self.perturbation.points).float()
        both = (inside * self.mask).sum((-1, -2))
        return 2 * both / (inside.sum((-1, -2)) + self.mask.sum((-1, -2)))


def plant(centers: list[tuple[float, float]], radii: list[float], frame: float = 0.3) -> Planted:
    truth = FourierContour.circles(torch.tensor(centers), torch.tensor(radii))
    truth.frame[:, 0] = frame
    points = GEOMETRY.pixel_centres()
    mask = truth.contains(points).float()
    noise = torch.randn(len(mask), 64, 96, generator=torch.Generator().manual_seed(3))
    where = mask / mask.sum((-1, -2), keepdim=True)
    images = torch.stack([mask + 0.05 * noise, where], 1)
    background = torch.stack([0.05 * noise, where], 1)
    return Planted(truth, mask, images, Perturbation(images, background, points, GEOMETRY))
