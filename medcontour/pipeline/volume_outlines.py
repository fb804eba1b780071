"""The outline of what a closed evidence surface sits on: slice by slice, judged as one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.contour import FourierContour, HarmonicSurface, PlaneShape
from medcontour.explain import (
    POLARITY_EVALUATIONS,
    Perturbation,
    TargetObjective,
    evidence_polarity,
)
from medcontour.outline import Outline, Outliner
from medcontour.pipeline.outlines import (
    CANDIDATES,
    FOLLOWS_EVIDENCE,
    LEAST_SCORE,
    WEIGHT,
    Offer,
    against_size,
    passing,
)
from medcontour.pipeline.placing import placed
from medcontour.pipeline.planes import body_area, grey_planes, plane_geometry
from medcontour.pipeline.stack import outline_stack
from medcontour.pipeline.stack_parts import InStack, Traced
from medcontour.pipeline.whole_stack import volume_geometry
from medcontour.results import PlacedContour
from medcontour.scan import Scan

__all__ = ["VolumeOutlines", "outline_volume"]

AT_ONCE = 8
"""Slices whose boundaries are looked for together."""

Placed = Mapping[int, tuple[PlacedContour, ...]]


@dataclass(frozen=True)
class VolumeOutlines:
    """The outlines of one object in a stack.

    Attributes
    ----------
    outlines
        By slice.
    notes
        What a reader should know of them, by slice; of slices without an outline as well.
    evaluations
        What they cost.
    """

    outlines: Placed
    notes: Mapping[int, str]
    evaluations: float


def outline_volume(
    scan: Scan,
    evidence: Placed,
    surface: HarmonicSurface,
    perturbation: Perturbation,
    of_target: TargetObjective,
    scores: Mapping[int, float],
    outliner: Outliner,
) -> VolumeOutlines:
    """Follow the image from the cuts of one evidence surface, and choose one object's outlines.

    Every slice offers clear boundaries about the surface's cut, and those of an object are chosen
    together, as of contours found slice by slice (`outline_stack`). The classifier judges what
    comes of it, all slices of an object as one: of several objects that one counts whose
    boundaries are clearest, less what it lacks of keeping the score and taking it away. That
    decides between them and vetoes none: networks of whole stacks need more than the object to
    keep a score. Where there is no object, the outlines are copies of the evidence contours, and
    the notes say so.

    Parameters
    ----------
    scan
        The stack.
    evidence
        The surface's cuts, by slice.
    surface, perturbation, of_target
        One surface, and the stack as the classifier takes it.
    scores
        Of all slices: the stack's.
    outliner
        What follows the image of a slice.
    """
    which = torch.zeros(1, dtype=torch.long, device=perturbation.images.device)
    polarity = float(evidence_polarity(perturbation, of_target, surface, which))
    images = _Slices(scan, outliner)
    slices = [k for k, contours in evidence.items() for _ in contours]
    curves = [
        FourierContour.from_dict(contour.parameters).to(torch.float32)
        for contours in evidence.values()
        for contour in contours
    ]
    offered = images.boundaries(slices, curves, [polarity] * len(slices), CANDIDATES)
    traced = [
        Traced(k, curve, Offer(tuple(own), tuple(_energies(own, curve)), polarity))
        for k, curve, own in zip(slices, curves, offered, strict=True)
    ]
    stacked = outline_stack(traced, scan, scores, images)
    objects = [_outlined([stacked.contours[n] for n in group]) for group in stacked.objects]
    objects = [own for own in objects if own]
    cost = POLARITY_EVALUATIONS + len(objects) / 2
    if not objects:
        copies = {
            k: tuple(_copy(contour) for contour in contours) for k, contours in evidence.items()
        }
        return VolumeOutlines(copies, dict.fromkeys(evidence, FOLLOWS_EVIDENCE), cost)
    judged = [_judged(own, scan, perturbation, of_target, which) for own in objects]
    energies = [energy for energy, _ in judged]
    place = energies.index(min(energies))
    chosen, (_, quality) = objects[place], judged[place]
    notes = {one.slice: one.note for one in stacked.contours if one.note}
    outlines: dict[int, tuple[PlacedContour, ...]] = {}
    for k, outline in chosen:
        own = placed(outline.contour, "outline", k, {**outline.quality, **quality}, scan)
        outlines[k] = (*outlines.get(k, ()), own)
    return VolumeOutlines(outlines, notes, cost)


@dataclass(frozen=True)
class _Slices:
    """What the outlines of a stack need of its images; no slice has a classifier of its own."""

    scan: Scan
    outliner: Outliner

    def boundaries(
        self,
        slices: Sequence[int],
        curves: Sequence[PlaneShape],
        polarity: Sequence[float],
        most: int,
    ) -> list[list[Outline]]:
        found: list[list[Outline]] = []
        for first in range(0, len(slices), AT_ONCE):
            own = slice(first, first + AT_ONCE)
            images, measured = grey_planes(self.scan, slices[own])
            some = self.outliner(
                images,
                plane_geometry(self.scan),
                curves[0].cat(list(curves[own])),
                torch.tensor(polarity[own]),
                most=most,
                measured=measured,
            )
            found += [
                passing(each, body_area(self.scan, k))
                for k, each in zip(slices[own], some, strict=True)
            ]
        return found

    def energies(
        self, slices: Sequence[int], outlines: Sequence[Sequence[Outline]]
    ) -> tuple[list[list[float]], list[float]]:
        return [[one.energy for one in some] for some in outlines], [0.0] * len(slices)


def _energies(outlines: Sequence[Outline], evidence: PlaneShape) -> list[float]:
    return against_size(outlines, [one.energy for one in outlines], evidence)


def _outlined(contours: Sequence[InStack]) -> list[tuple[int, Outline]]:
    return [(one.slice, one.outline) for one in contours if one.outline is not None]


@torch.no_grad()
def _judged(
    outlines: Sequence[tuple[int, Outline]],
    scan: Scan,
    perturbation: Perturbation,
    of_target: TargetObjective,
    which: Tensor,
) -> tuple[float, dict[str, float]]:
    """What speaks against the outlines of one object, and what the classifier says of them."""
    mask = _on_input(outlines, scan, perturbation.points)
    preserved, deleted = perturbation.similarities(of_target, mask[None], which)
    lacks = max(0.0, LEAST_SCORE - float(preserved - deleted))
    energy = sum(outline.energy for _, outline in outlines) / len(outlines)
    return energy + WEIGHT * lacks, {
        "preserved": of_target.probability(preserved, which).item(),
        "deleted": of_target.probability(deleted, which).item(),
    }


def _on_input(outlines: Sequence[tuple[int, Outline]], scan: Scan, points: Tensor) -> Tensor:
    """(D, H, W): how much of each voxel of the input lies inside the outlines."""
    plane, space = plane_geometry(scan), volume_geometry(scan)
    inside = torch.zeros(scan.slices, scan.rows, scan.columns)
    for k, outline in outlines:
        inside[k] += outline.contour.contains(plane.pixel_centres()).any(0)
    counts = points.new_tensor([scan.columns, scan.rows, scan.slices])
    places = (2 * space.to_index(points) + 1) / counts - 1
    volume = inside.clamp(max=1).to(points)[None, None]
    sampled: Tensor = F.grid_sample(volume, places[None].to(volume), align_corners=False)
    return sampled[0, 0]


def _copy(contour: PlacedContour) -> PlacedContour:
    """An evidence contour as the outline of what no boundary passes for."""
    quality = {"follows": "evidence contour"}
    return replace(contour, kind="outline", quality=quality)
