"""Altered views of one image or volume: mirrored, shifted or enlarged, and brighter or darker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.explain.objectives.objective import Objective, TargetObjective
from medcontour.explain.perturbation import Perturbation

__all__ = ["UNMIRRORED", "VIEWS", "AlteredViews", "InViews", "View", "views_of_class"]

LARGEST_SHIFT = 8
"""No shift is larger than one part in so many of the input's side: small inputs are small."""


@dataclass(frozen=True)
class View:
    """How the network's input is altered.

    Attributes
    ----------
    mirrored
        Along the plane's x axis, left for right as the slice is shown.
    shift
        (x, y) in pixels of the network's input.
    zoom
        About the middle of the input.
    gain, gamma
        What intensities are multiplied with and raised to, once the range of the image and its
        background, in each channel, is 0 to 1.
    """

    mirrored: bool = False
    shift: tuple[int, int] = (0, 0)
    zoom: float = 1.0
    gain: float = 1.0
    gamma: float = 1.0

    def grid(self, points: Tensor) -> Tensor:
        """Where each pixel of the view is taken from, as `torch.nn.functional.grid_sample` has it.

        Parameters
        ----------
        points
            (H, W, 2) plane coordinates of the input's pixels, which say along which of its axes
            x runs; of a volume (D, H, W, 3). A volume is shifted along x and y alone.

        Returns
        -------
        Tensor
            As `points`.
        """
        extent = points.shape[:-1]
        taken = []
        for axis, runs in enumerate(_coordinates(points)):
            shift = self.shift[runs] if runs < len(self.shift) else 0
            along = self._taken_from(extent[axis], shift, mirrored=self.mirrored and runs == 0)
            shape = [-1 if axis == other else 1 for other in range(len(extent))]
            taken.append(along.view(shape).expand(extent))
        return torch.stack(taken[::-1], -1).to(points)  # the last axis first

    def _taken_from(self, count: int, shift: int, *, mirrored: bool) -> Tensor:
        """(count,) places along one axis, -1 and 1 the outer edges of its first and last pixel."""
        most = count // LARGEST_SHIFT
        middle = (count - 1) / 2
        at = torch.arange(count, dtype=torch.float64) - middle - max(-most, min(most, shift))
        at = middle + (-at if mirrored else at) / self.zoom
        return (2 * at + 1) / count - 1


def _coordinates(points: Tensor) -> list[int]:
    """For each axis of the input: which coordinate (x, y, z) runs along it."""
    axes = range(points.shape[-1])
    first = (0,) * len(axes)
    steps = []
    for axis in axes:
        following = tuple(min(1, points.shape[axis] - 1) * (axis == other) for other in axes)
        steps.append((points[following] - points[first]).abs().tolist())
    found: dict[int, int] = {}
    for coordinate in axes:  # the later axis where two would do
        free = [axis for axis in axes if axis not in found]
        found[max(free, key=lambda axis: (steps[axis][coordinate], axis))] = coordinate
    return [found[axis] for axis in axes]


VIEWS = (
    View(shift=(5, 4), gain=0.8),
    View(zoom=1.1, gain=1.2),
    View(mirrored=True, gamma=0.8),
    View(mirrored=True, shift=(-7, 3), gamma=1.25),
)
"""No shift is a multiple of a network's stride, so that no view shows it the same patches.

Without other intensities more networks whose last layers are random pass
(`experiments/placement_calibration.py`).
"""

UNMIRRORED = (*VIEWS[:2], View(shift=(-7, 3), gamma=0.8), View(zoom=1.2, gamma=1.25))
"""As many for a network to which a mirrored image is another thing."""


@dataclass(frozen=True)
class AlteredViews:
    """One image, or volume, of a perturbation in each of some views.

    Attributes
    ----------
    perturbation
        The image, once for each view, unaltered: it composes what the views then alter.
    views
        How it is altered.

    Examples
    --------
    >>> images = torch.zeros(1, 1, 32, 48)
    >>> images[..., 10, 20] = 1.0
    >>> perturbation = Perturbation.of_images(images, torch.zeros_like(images))
    >>> views = AlteredViews.of(perturbation, 0)
    >>> [divmod(int(image.argmax()), 48) for image in views.images]  # a side's eighth at most
    [(14, 25), (9, 20), (10, 27), (13, 21)]
    """

    perturbation: Perturbation
    views: tuple[View, ...] = VIEWS

    @classmethod
    def of(
        cls, perturbation: Perturbation, index: int, views: tuple[View, ...] = VIEWS
    ) -> AlteredViews:
        """Show the image, or volume, `index` of a perturbation in each view."""
        device = perturbation.images.device
        return cls(perturbation.pick(torch.full((len(views),), index, device=device)), views)

    @cached_property
    def grids(self) -> Tensor:
        """(views, H, W, 2), or (views, D, H, W, 3)."""
        return torch.stack([view.grid(self.perturbation.points) for view in self.views])

    @property
    def images(self) -> Tensor:
        """(views, C, H, W): the original in each view."""
        return self.altered(self.perturbation.images, self.every)

    @property
    def background(self) -> Tensor:
        """(views, C, H, W): its background in each view."""
        return self.altered(self.perturbation.background, self.every)

    @property
    def every(self) -> Tensor:
        """(views,) 0, 1, ..."""
        return torch.arange(len(self.views), device=self.perturbation.images.device)

    def altered(self, inputs: Tensor, which: Tensor) -> Tensor:
        """(M, C, ...) inputs as the views `which` (M,) show them; beyond the edge goes on."""
        grids = self.grids.to(inputs)[which]
        moved = F.grid_sample(
            inputs, grids, mode="bilinear", padding_mode="border", align_corners=False
        )
        shown = torch.stack([self.perturbation.images, self.perturbation.background])[:, 0]
        channel = (-1, *(1,) * (inputs.ndim - 2))
        places = (0, *range(2, inputs.ndim))
        low, high = shown.amin(places).view(channel), shown.amax(places).view(channel)
        span = (high - low).clamp_min(torch.finfo(moved.dtype).tiny)
        each = self.intensities.to(moved)[which].view(len(which), 2, *(1,) * (inputs.ndim - 1))
        gain, gamma = each.unbind(1)
        return ((moved - low) / span).clamp(0, 1) ** gamma * gain * span + low

    @cached_property
    def intensities(self) -> Tensor:
        """(views, 2) gain and gamma."""
        return torch.tensor([(view.gain, view.gamma) for view in self.views])

    def in_pieces(self, network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """Give a network no more images at once than the perturbation allows."""
        most = self.perturbation.most
        if most is None:
            return network

        def limited(inputs: Tensor) -> Tensor:
            starts = range(0, len(inputs), most)
            return torch.cat([network(inputs[n : n + most]) for n in starts])

        return limited


@dataclass(frozen=True)
class InViews:
    """An objective of the views' originals and backgrounds, for images that are not altered yet.

    Attributes
    ----------
    objective
        Of `AlteredViews.images` and `AlteredViews.background`: it has each view's own scale.
    views
        The views.
    """

    objective: Objective
    views: AlteredViews

    def similarity(self, inputs: Tensor, which: Tensor) -> Tensor:
        """As `Objective.similarity`; `which` is the view that each input is altered to."""
        return self.objective.similarity(self.views.altered(inputs, which), which)


def views_of_class(
    perturbation: Perturbation, index: int, score: Callable[[Tensor], Tensor], target: int
) -> tuple[AlteredViews, TargetObjective, bool]:
    """The views that one image's contours are judged in for a class.

    A network that was never shown a mirrored image, or to which left and right mean something, may
    call it something else. Where it calls the image the class in the views that are not mirrored
    and not in one that is, `UNMIRRORED` takes the place of `VIEWS`: as many views, as strict a
    test.

    Parameters
    ----------
    perturbation, index
        The image.
    score, target
        (B, C, H, W) to (B, classes) log-odds, and the class.

    Returns
    -------
    tuple
        The views; the class's score with their scale; whether the network is stable under
        mirroring.
    """

    def of_class(views: AlteredViews) -> TargetObjective:
        return TargetObjective(views.in_pieces(score), views.images, views.background, target)

    views = AlteredViews.of(perturbation, index)
    objective = of_class(views)
    called = [
        (view.mirrored, bool(odds > 0))
        for view, odds in zip(views.views, objective.original_log_odds, strict=True)
    ]
    stable = all(kept for _, kept in called) or not all(kept for m, kept in called if not m)
    if not stable:
        views = AlteredViews.of(perturbation, index, UNMIRRORED)
        objective = of_class(views)
    return views, objective, stable
