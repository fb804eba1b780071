"""What the outlines of a stack need of its images and its classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from medcontour.contour import PlaneShape
from medcontour.outline import Outline
from medcontour.pipeline.explainer import Explainer
from medcontour.pipeline.outlines import passing, with_classifier
from medcontour.pipeline.placing import placed_outline
from medcontour.pipeline.planes import body_area, grey_planes, plane_batches, plane_geometry
from medcontour.results import PlacedContour

__all__ = ["StackImages"]

BATCH = 8


@dataclass(frozen=True)
class StackImages:
    """The slices of an explainer's scan."""

    explainer: Explainer

    def boundaries(
        self,
        slices: Sequence[int],
        curves: Sequence[PlaneShape],
        polarity: Sequence[float],
        most: int,
    ) -> list[list[Outline]]:
        """Clear boundaries near a curve on each of some slices; no classifier is run."""
        found: list[list[Outline]] = [[] for _ in slices]
        explainer = self.explainer
        scan, every = explainer.scan, curves[0].cat(list(curves)) if curves else None
        for batch in plane_batches(scan, explainer.classifier, sorted(set(slices)), BATCH):
            own = [n for n, k in enumerate(slices) if k in batch.slices]
            images, measured = grey_planes(scan, [slices[n] for n in own])
            assert every is not None  # there are slices
            offered = explainer.outliner(batch, [batch.slices.index(slices[n]) for n in own])(
                images,
                plane_geometry(scan),
                every[own],
                torch.tensor([polarity[n] for n in own]),
                most=most,
                measured=measured,
            )
            for n, some in zip(own, offered, strict=True):
                found[n] = passing(some, body_area(scan, slices[n]))
        return found

    def energies(
        self, slices: Sequence[int], outlines: Sequence[Sequence[Outline]]
    ) -> tuple[list[list[float]], list[float]]:
        """What speaks against some outlines on each slice, the classifier heard; evaluations."""
        explainer = self.explainer
        energies: list[list[float]] = [[] for _ in slices]
        costs = [0.0 for _ in slices]
        used = sorted({k for k, some in zip(slices, outlines, strict=True) if some})
        for batch in plane_batches(explainer.scan, explainer.classifier, used, BATCH):
            perturbation, of_target, _, background = explainer.problem(batch)
            own = [n for n, k in enumerate(slices) if k in batch.slices and outlines[n]]
            which = torch.tensor([batch.slices.index(slices[n]) for n in own])
            heard = with_classifier(
                perturbation,
                of_target,
                [outlines[n] for n in own],
                which.to(perturbation.images.device),
            )
            for n, some in zip(own, heard, strict=True):
                shared = sum(slices[m] == slices[n] for m in own)
                energies[n], costs[n] = some, len(some) / 2 + background / shared
        return energies, costs

    def placed(self, slices: Sequence[int], outlines: Sequence[Outline]) -> list[PlacedContour]:
        """One outline of each slice, placed, with what the classifier says of it."""
        explainer = self.explainer
        found: dict[int, PlacedContour] = {}
        used = sorted(set(slices))
        for batch in plane_batches(explainer.scan, explainer.classifier, used, BATCH):
            perturbation, of_target, _, _ = explainer.problem(batch)
            for n, (k, outline) in enumerate(zip(slices, outlines, strict=True)):
                if k in batch.slices:
                    index = batch.slices.index(k)
                    found[n] = placed_outline(
                        perturbation, of_target, outline, index, k, explainer.scan
                    )
        return [found[n] for n in range(len(slices))]
