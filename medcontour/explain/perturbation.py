"""Preserved and deleted variants of a batch of images under contours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from medcontour.contour import PlaneGeometry, Shape, Space, VolumeGeometry
from medcontour.errors import MedcontourError
from medcontour.explain.images import check_fits, check_spacing
from medcontour.explain.objectives.objective import Objective

__all__ = ["SHARP", "Perturbation"]

SHARP = 100.0
"""The sharpness at which every final contour is rendered, judged and scored."""


@dataclass(frozen=True)
class Perturbation:
    """Images, their backgrounds and where their pixels lie.

    Attributes
    ----------
    images, background
        (B, C, H, W), or volumes (B, C, D, H, W), as the network takes them.
    points
        (H, W, 2): plane coordinates of the network's input pixels. They need not be the source
        plane's pixels: a resized, cropped or padded input carries its own points. Of volumes
        (D, H, W, 3), in volume coordinates.
    space
        The source plane, or volume, which holds the contours.
    most
        How many images may go through the network at once; more go in pieces. None is no limit.
    filled
        Whether a lone image is evaluated beside a copy of itself: convolutions of two images (a
        preserved and a deleted one) are rounded otherwise than those of four and more, so that a
        contour would depend on what shares its batch.
    """

    images: Tensor
    background: Tensor
    points: Tensor
    space: Space
    most: int | None = None
    filled: bool = False
    _kept: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of_images(
        cls,
        images: Tensor,
        background: Tensor,
        pixel_spacing: Sequence[float] | None = None,
    ) -> Perturbation:
        """Perturb plain image tensors: their own pixels, of the given spacing, are the plane.

        The same of volumes, which go through the network a preserved and a deleted one at a time.

        Raises
        ------
        MedcontourError
            For a spacing that is not positive, or does not fit the images.
        """
        if pixel_spacing is not None:
            check_spacing(pixel_spacing)
            check_fits(pixel_spacing, images)
        if images.ndim == 5:
            deep, row, column = (1.0, 1.0, 1.0) if pixel_spacing is None else pixel_spacing
            slices, rows, columns = images.shape[2:]
            volume = VolumeGeometry(slices, rows, columns, (deep, row, column))
            return cls(images, background, volume.voxel_centres().to(images.device), volume, most=2)
        row, column = (1.0, 1.0) if pixel_spacing is None else pixel_spacing
        plane = PlaneGeometry(images.shape[-2], images.shape[-1], (row, column))
        points = plane.pixel_centres().to(images.device)
        return cls(images, background, points, plane, filled=len(images) > 1)

    @property
    def plane(self) -> PlaneGeometry:
        """The source plane, of images.

        Raises
        ------
        MedcontourError
            For volumes.
        """
        if not isinstance(self.space, PlaneGeometry):
            raise MedcontourError(
                "a volume has no one plane, and this works on planes alone; give its slices as "
                "images (B, C, H, W), or explain it by ExtremalContours."
            )
        return self.space

    @cached_property
    def difference(self) -> Tensor:
        """Images minus background, kept because every step needs it."""
        return self.images - self.background

    @cached_property
    def input_pixel(self) -> tuple[float, ...]:
        """Side of an input pixel along H and W, or of a voxel along D, H and W."""
        first = (0,) * (self.points.ndim - 1)
        sides = []
        for axis, count in enumerate(self.points.shape[:-1]):
            following = tuple(min(1, count - 1) * (axis == other) for other in range(len(first)))
            sides.append((self.points[following] - self.points[first]).norm().item())
        # A single slice has no neighbour to be a step away from.
        return tuple(side or max(sides) for side in sides)

    @cached_property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest center: inside the image and in sight."""
        extent = self.points.new_tensor(self.space.extent)
        flat = self.points.flatten(0, -2)
        return torch.maximum(-extent, flat.amin(0)), torch.minimum(extent, flat.amax(0))

    def __len__(self) -> int:
        return len(self.images)

    def pick(self, which: Tensor) -> Perturbation:
        """The same for some of the images."""
        return replace(self, images=self.images[which], background=self.background[which])

    def preserved(self, mask: Tensor, which: Tensor) -> Tensor:
        """Eq. 3 for (M, H, W) or (M, D, H, W) masks of the images `which` (M,)."""
        return torch.addcmul(self.background[which], mask.unsqueeze(1), self.difference[which])

    def deleted(self, mask: Tensor, which: Tensor) -> Tensor:
        """Eq. 4 for (M, H, W) or (M, D, H, W) masks of the images `which` (M,)."""
        return torch.addcmul(
            self.images[which], mask.unsqueeze(1), self.difference[which], value=-1.0
        )

    def similarities(
        self, objective: Objective, mask: Tensor, which: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(M,) similarity of the preserved and of the deleted variants.

        In one batch, or in pieces of `most` images whose gradients are then worked out anew, so
        that a piece at a time is held.
        """
        if self.filled and len(which) == 1 and (self.most is None or self.most >= 4):
            if self._kept.get("lone") is not which:
                self._kept["lone"], self._kept["twice"] = which, which.repeat(2)
            twice = self._similarities(objective, torch.cat([mask, mask]), self._kept["twice"])
            return twice[0][:1], twice[1][:1]
        return self._similarities(objective, mask, which)

    def _similarities(
        self, objective: Objective, mask: Tensor, which: Tensor
    ) -> tuple[Tensor, Tensor]:
        base, change = self._both(which)
        both = torch.addcmul(base, torch.cat([mask, mask]).unsqueeze(1), change)
        size, names = self.most or len(both), which.repeat(2)
        parts = [(both[n : n + size], names[n : n + size]) for n in range(0, len(both), size)]
        if len(parts) == 1:
            similarity = objective.similarity(*parts[0])
        elif torch.is_grad_enabled():
            held = [checkpoint(objective.similarity, *part, use_reentrant=False) for part in parts]
            similarity = torch.cat(held)
        else:
            similarity = torch.cat([objective.similarity(*part) for part in parts])
        preserved, deleted = similarity.chunk(2)
        return preserved, deleted

    def _both(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """What a mask of 0 gives of the images `which`, preserved then deleted, and what 1 adds.

        A search evaluates the same images at every step, so the last result is kept.
        """
        if self._kept.get("which") is not which:
            difference = self.difference[which]
            # Channels last: convolutions are faster so, on processors as well.
            volumes = difference.ndim == 5
            order = torch.channels_last_3d if volumes else torch.channels_last
            both = torch.cat([self.background[which], self.images[which]])
            self._kept["base"] = both.to(memory_format=order)
            change = torch.cat([difference, -difference])
            self._kept["change"] = change.to(memory_format=order)
            self._kept["which"] = which
        return self._kept["base"], self._kept["change"]

    @torch.no_grad()
    def judge(
        self, objective: Objective, curves: Shape, which: Tensor, batch: int = 32
    ) -> tuple[Tensor, Tensor]:
        """(M,) similarities of hard contours, forward only, `batch` contours at a time."""
        preserved, deleted = [], []
        for start in range(0, len(curves), batch):
            some = slice(start, start + batch)
            mask = curves[some].mask(self.points, SHARP)
            p, d = self.similarities(objective, mask, which[some])
            preserved.append(p)
            deleted.append(d)
        return torch.cat(preserved), torch.cat(deleted)
