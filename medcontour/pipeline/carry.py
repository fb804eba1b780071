"""Outlines carried from slice to slice: where they come to lie, and how the image steps there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from shapely import MultiPolygon

from medcontour.contour import Shape
from medcontour.contour.polygons import region
from medcontour.outline import Outline
from medcontour.pipeline.link import in_plane
from medcontour.pipeline.planes import plane_geometry
from medcontour.scan import Scan

__all__ = ["CARRYING", "Carrying", "Images", "Source", "boundaries_from", "carried", "place_mm"]
__all__ += ["polygon_lps", "sources", "step_across"]


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
    """

    looked_at: int = 8
    most: int = 4
    least_step: float = 0.5
    inside: tuple[float, float, int] = (0.05, 0.95, 10)
    outside: tuple[float, float, int] = (1.1, 1.4, 4)
    directions: int = 64


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
        self, slices: Sequence[int], curves: Sequence[Shape], polarity: Sequence[float], most: int
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


def carried(curve: Shape, scan: Scan, k: int, to: int) -> Shape:
    """Carry a curve of slice `k` along the slices' normal to the plane of slice `to`.

    Where slices are shifted against each other it takes other plane coordinates there.
    """
    plane = plane_geometry(scan)
    index = plane.to_index(curve.center.detach().double().cpu()).numpy()
    there = plane.from_index(torch.from_numpy(scan.to_index(scan.to_lps(index, k), to)))
    moved = curve.detach().to("cpu")
    moved.tensors()["center"].copy_(there)
    return moved


def polygon_lps(curve: Shape, scan: Scan, k: int) -> npt.NDArray[np.float64]:
    """(n, 3) corners of a curve of slice `k`, LPS mm."""
    plane = plane_geometry(scan)
    exact = curve.detach().to("cpu").to(torch.float64)
    return scan.to_lps(plane.to_index(exact.polygon_inside(plane)[0]).numpy(), k)


def place_mm(curve: Shape, scan: Scan, k: int) -> MultiPolygon:
    """What a curve of slice `k` encloses, in mm, as seen along the slices' normal."""
    return region(in_plane(polygon_lps(curve, scan, k), scan))


def step_across(curve: Shape, scan: Scan, k: int, carrying: Carrying = CARRYING) -> float:
    """Mean of slice `k` inside a curve, less the median of what surrounds it; in its own values."""
    plane = plane_geometry(scan)
    image = torch.from_numpy(scan.voxels[k]).float()
    image = image if image.ndim == 2 else image.mean(-1)
    center = curve.center.detach().float().cpu()
    rays = curve.detach().to("cpu").polygon(carrying.directions)[0].float() - center
    inside, outside = torch.linspace(*carrying.inside), torch.linspace(*carrying.outside)
    places = center + rays * torch.cat([inside, outside])[:, None, None]
    values = F.grid_sample(
        image[None, None],
        (places / places.new_tensor(plane.extent))[None],
        padding_mode="border",
        align_corners=False,
    )[0, 0]
    weight = inside[:, None] * rays.square().sum(-1)
    mean = (values[: len(inside)] * weight).sum() / weight.sum()
    return float(mean - values[len(inside) :].median())
