"""Slices as the classifier takes them: one batch of planes that share their geometry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from medcontour.classifier import Classifier, Prepared
from medcontour.contour import PlaneGeometry
from medcontour.limits import check_memory
from medcontour.pipeline.memory import images_at_once
from medcontour.scan import Scan
from medcontour.shortcuts import body_mask

__all__ = ["InputBatch", "body_area", "grey_planes", "plane_batches", "plane_geometry"]


_EACH = 150
"""Bytes that a pixel of a slice takes while its outline is followed and it is shown."""


@dataclass(frozen=True)
class InputBatch:
    """Slices whose inputs share size and place; or a whole stack, which is one input.

    Attributes
    ----------
    slices
        Slice indices.
    inputs
        (B, channels, height, width), as the network takes them; of a stack (1, channels, depth,
        height, width).
    index_from_input
        (3, 3): see `Prepared.index_from_input`. Of a stack (4, 4): index of the input's last three
        axes to index (column, row, slice) of the scan.
    points
        (height, width, 2): plane coordinates of the input's pixels. Of a stack (depth, height,
        width, 3): volume coordinates.
    most
        Images that may go through the network at once.
    measured
        (B, 1, height, width) bool: the input's pixels that were measured; None where all were.
        Of a stack (1, 1, depth, height, width).
    """

    slices: tuple[int, ...]
    inputs: Tensor
    index_from_input: npt.NDArray[np.float64]
    points: Tensor
    most: int
    measured: Tensor | None = None

    @property
    def filled(self) -> Tensor:
        """`inputs`, with the value of the nearest measured pixel where there is none."""
        if self.measured is None:
            return self.inputs
        filled = self.inputs.clone()
        for image, mask in zip(filled, ~self.measured[:, 0].cpu().numpy(), strict=True):
            if mask.any() and not mask.all():
                nearest = ndimage.distance_transform_edt(
                    mask, return_distances=False, return_indices=True
                )
                image[:] = image[(slice(None), *map(torch.from_numpy, nearest))]
        return filled

    def where_measured(self, images: Tensor) -> Tensor:
        """Give (B, channels, height, width) images, and `inputs` where nothing was measured."""
        if self.measured is None:
            return images
        return torch.where(self.measured.to(images.device), images, self.inputs)


def plane_geometry(scan: Scan) -> PlaneGeometry:
    """Geometry of the scan's slices."""
    return PlaneGeometry(scan.rows, scan.columns, scan.pixel_spacing)


def plane_batches(
    scan: Scan, classifier: Classifier, slices: Iterable[int], size: int
) -> Iterator[InputBatch]:
    """Prepare slices and give them in batches of at most `size`, in order.

    Preprocessing that depends on the content (cropping to the foreground) gives slices of
    different geometry: they come in different batches. A batch is smaller where memory does not
    hold a search of `size` slices, each of which takes two images.
    """
    check_memory(
        _EACH * scan.rows * scan.columns,
        f"Looking at slices of {scan.rows} x {scan.columns} pixels",
        "make them coarser",
    )
    waiting: list[tuple[int, Prepared]] = []
    most: dict[torch.Size, int] = {}

    def alike(prepared: Prepared) -> bool:
        first = waiting[0][1]
        return prepared.tensor.shape == first.tensor.shape and np.array_equal(
            prepared.index_from_input, first.index_from_input
        )

    for k in slices:
        prepared = classifier.prepare(scan.voxels[k], scan.pixel_spacing)
        shape = prepared.tensor.shape
        if shape not in most:
            most[shape] = images_at_once(classifier, prepared.tensor)
        fit = max(1, min(size, most[shape] // 2))
        if waiting and (len(waiting) >= fit or not alike(prepared)):
            yield _batch(waiting, scan, most[waiting[0][1].tensor.shape])
            waiting = []
        waiting.append((k, prepared))
    if waiting:
        yield _batch(waiting, scan, most[waiting[0][1].tensor.shape])


def _batch(prepared: list[tuple[int, Prepared]], scan: Scan, most: int) -> InputBatch:
    first = prepared[0][1]
    height, width = first.tensor.shape[-2:]
    row, column = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    index = np.stack([row, column, np.ones_like(row)], -1) @ first.index_from_input.T
    points = plane_geometry(scan).from_index(torch.from_numpy(index[..., :2])).float()
    slices = tuple(k for k, _ in prepared)
    measured = None
    if scan.measured is not None:
        column, row = np.rint(index[..., 0]).astype(int), np.rint(index[..., 1]).astype(int)
        inside = (row >= 0) & (row < scan.rows) & (column >= 0) & (column < scan.columns)
        # Beyond the plane is the preprocessing's own padding, which the network is to see.
        seen = [~inside | scan.measured[k][row * inside, column * inside] for k in slices]
        measured = torch.from_numpy(np.stack(seen)).unsqueeze(1)
    return InputBatch(
        slices=slices,
        inputs=torch.stack([p.tensor for _, p in prepared]),
        index_from_input=first.index_from_input,
        points=points,
        most=most,
        measured=measured,
    )


def grey_planes(scan: Scan, slices: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """(N, rows, columns) grey values of some slices, and which were measured; None where all were.

    As an `Outliner` takes them.
    """
    images = torch.from_numpy(np.stack([scan.grey(k) for k in slices]))
    if scan.measured is None:
        return images, None
    return images, torch.from_numpy(scan.measured[list(slices)])


def body_area(scan: Scan, k: int) -> float:
    """Area of the body on slice `k`, in plane coordinates."""
    return float(body_mask(scan.grey(k), scan.measured_in(k)).mean()) * plane_geometry(scan).area
