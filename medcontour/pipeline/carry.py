"""Outlines carried from slice to slice: where they come to lie, and how the image steps there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from shapely import MultiPolygon
from torch import Tensor

from medcontour.contour import PlaneShape, fit_polygon
from medcontour.contour.polygons import region
from medcontour.outline import Outline
from medcontour.pipeline.link import in_plane
from medcontour.pipeline.placing import polygon_lps
from medcontour.pipeline.planes import plane_geometry
from medcontour.scan import Scan

__all__ = ["CARRYING", "Carrying", "Images", "Source", "boundaries_from", "carried", "drawn_in"]
__all__ += ["place_mm", "sources", "step_across"]


@dataclass(frozen=True)
class Carrying:
    """How a boundary is looked for on one slice from an outline on another.

    Attributes
    ----------
    looked_at
        Boundaries near an outline that the image is looked through for.
    most
        Of those on which the object still is, so many are kept. Each costs half an evaluation where
        the classifier is run on it: from two neighbours it is 4 at most, of the 5 that a slice may
        cost.
    least_step
        Share of the object's own step in intensity, inside against around, that a boundary must
        have. Where it has less than half, less than half of the slice's thickness is the object.
        On tuning phantoms (`experiments/stack_phantoms.py`) 0.5 was best of 0.4, 0.5 and 0.6.
    inside, outside
        Shares of the radius at which that step is read: the first, the last, how many.
    directions
        In which it is read.
    partial
        An outline with less than this share of the step of the slice next to it, at an end of an
        object, is drawn in. On tuning phantoms 0.75 was better than 0.9.
    smallest
        Share of its radius that it is drawn in to at most.
    """

    looked_at: int = 8
    most: int = 4
    least_step: float = 0.5
    inside: tuple[float, float, int] = (0.05, 0.95, 10)
    outside: tuple[float, float, int] = (1.1, 1.4, 4)
    directions: int = 64
    partial: float = 0.75
    smallest: float = 0.3


CARRYING = Carrying()


@dataclass(frozen=True)
class Source:
    """An outline to look from on another slice.

    Attributes
    ----------
    slice, outline
        The outline, and where it lies.
    step
        The largest step across an outline of its object that is of this one's sign.
    """

    slice: int
    outline: Outline
    step: float


class Images(Protocol):
    """What the outlines of a stack need of its images and of the classifier."""

    def boundaries(
        self,
        slices: Sequence[int],
        curves: Sequence[PlaneShape],
        polarity: Sequence[float],
        most: int,
    ) -> list[list[Outline]]:
        """Clear boundaries near a curve on each of some slices; no classifier is run."""

    def energies(
        self, slices: Sequence[int], outlines: Sequence[Sequence[Outline]]
    ) -> tuple[list[list[float]], list[float]]:
        """What speaks against some outlines on each slice, the classifier heard; evaluations."""


def sources(scan: Scan, outlines: Sequence[tuple[int, Outline]]) -> dict[int, Source]:
    """One object's outlines, each with its slice, to look from on others; by slice."""
    steps = {k: step_across(outline.contour, scan, k) for k, outline in outlines}
    return {
        k: Source(k, outline, max((s for s in steps.values() if s * steps[k] >= 0), key=abs))
        for k, outline in outlines
    }


def boundaries_from(
    scan: Scan,
    images: Images,
    slices: Sequence[int],
    starts: Sequence[Source],
    polarity: Sequence[float],
    carrying: Carrying = CARRYING,
) -> list[list[Outline]]:
    """Clear boundaries on each slice near an outline on another, where the object still is.

    `polarity` is what is known of each slice's own object, as an `Outliner` takes it.
    """
    curves = [
        carried(start.outline.contour, scan, start.slice, k)
        for k, start in zip(slices, starts, strict=True)
    ]
    found = images.boundaries(slices, curves, polarity, carrying.looked_at)
    kept: list[list[Outline]] = []
    for k, some, start in zip(slices, found, starts, strict=True):
        steps = [step_across(one.contour, scan, k, carrying) for one in some]
        least = carrying.least_step * abs(start.step)
        there = [s * math.copysign(1.0, start.step) >= least for s in steps]
        kept.append([one for one, own in zip(some, there, strict=True) if own][: carrying.most])
    return kept


def carried(curve: PlaneShape, scan: Scan, k: int, to: int) -> PlaneShape:
    """Carry a curve of slice `k` along the slices' normal to the plane of slice `to`.

    Where slices are shifted against each other it takes other plane coordinates there.
    """
    plane = plane_geometry(scan)
    index = plane.to_index(curve.center.detach().double().cpu()).numpy()
    there = plane.from_index(torch.from_numpy(scan.to_index(scan.to_lps(index, k), to)))
    moved = curve.detach().to("cpu")
    moved.tensors()["center"].copy_(there)
    return moved


def place_mm(curve: PlaneShape, scan: Scan, k: int) -> MultiPolygon:
    """What a curve of slice `k` encloses, in mm, as seen along the slices' normal."""
    return region(in_plane(polygon_lps(curve, scan, k), scan))


def step_across(curve: PlaneShape, scan: Scan, k: int, carrying: Carrying = CARRYING) -> float:
    """Mean of slice `k` inside a curve, less the median of what surrounds it; in its own values."""
    inside = torch.linspace(*carrying.inside)
    values, rays = _read(curve, scan, k, inside, carrying.directions)
    weight = inside[:, None] * rays.square().sum(-1)
    mean = (values * weight).sum() / weight.sum()
    return float(mean - _around(curve, scan, k, carrying))


def drawn_in(
    curve: PlaneShape, scan: Scan, k: int, step: float, carrying: Carrying = CARRYING
) -> tuple[PlaneShape | None, float]:
    """A curve drawn in to where slice `k` is halfway between what surrounds it and the object.

    An object that fills only part of a slice's thickness shows there with a part of its step, and
    the strongest edge lies where it is only just touched; where it fills half, the image is
    halfway.

    Parameters
    ----------
    curve, scan, k
        A curve of slice `k`.
    step
        The object's own, where it fills the thickness.
    carrying
        How the image is read.

    Returns
    -------
    The curve, and the share of its radius that it was drawn in to; None where the image is nowhere
    as much as halfway.
    """
    shares = torch.linspace(carrying.smallest, 1.0, 36)
    values, rays = _read(curve, scan, k, shares, carrying.directions)
    above = (values.mean(-1) - _around(curve, scan, k, carrying)) * math.copysign(1.0, step)
    within = (above >= abs(step) / 2).nonzero()
    if not len(within):
        return None, 0.0
    share = float(shares[within.max()])
    if share == 1.0:
        return curve, share
    return fit_polygon(curve.center[0].detach().cpu() + share * rays).to(torch.float32), share


def _around(curve: PlaneShape, scan: Scan, k: int, carrying: Carrying) -> float:
    """The median of what surrounds a curve."""
    outside = torch.linspace(*carrying.outside)
    return float(_read(curve, scan, k, outside, carrying.directions)[0].median())


def _read(
    curve: PlaneShape, scan: Scan, k: int, shares: Tensor, directions: int
) -> tuple[Tensor, Tensor]:
    """(shares, directions) values at shares of the radius, and (directions, 2) the radii."""
    plane = plane_geometry(scan)
    image = torch.from_numpy(scan.grey(k))
    center = curve.center.detach().float().cpu()
    rays = curve.detach().to("cpu").polygon(directions)[0].float() - center
    places = center + rays * shares[:, None, None]
    values = F.grid_sample(
        image[None, None],
        (places / places.new_tensor(plane.extent))[None],
        padding_mode="border",
        align_corners=False,
    )[0, 0]
    return values, rays
