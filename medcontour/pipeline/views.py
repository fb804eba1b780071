"""What the classifier was shown of one slice, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from medcontour.contour import HarmonicSurface, PlaneShape
from medcontour.explain import SHARP, Perturbation
from medcontour.pipeline.planes import InputBatch
from medcontour.results import Views
from medcontour.scan import Scan

__all__ = ["stack_views", "views_of"]


@torch.no_grad()
def views_of(
    scan: Scan, batch: InputBatch, perturbation: Perturbation, curves: PlaneShape, index: int
) -> Views:
    """The image at `index` of a batch, as it is, preserved and deleted under the hard mask."""
    which = torch.tensor([index], device=perturbation.images.device)
    mask = curves.mask(perturbation.points, SHARP).amax(0, keepdim=True)
    original = perturbation.images[index]
    variants = (
        original,
        perturbation.preserved(mask, which)[0],
        perturbation.deleted(mask, which)[0],
    )
    low = original.amin()
    span = (original.amax() - low).clamp_min(1e-6)
    return Views(*(_on_source(scan, batch, ((x - low) / span).mean(0).cpu()) for x in variants))


@torch.no_grad()
def stack_views(
    scan: Scan,
    batch: InputBatch,
    perturbation: Perturbation,
    surface: HarmonicSurface,
    slices: Sequence[int],
) -> Iterator[Views]:
    """A stack on some of its slices, as it is, preserved and deleted under the hard mask."""
    which = torch.zeros(1, dtype=torch.long, device=perturbation.images.device)
    mask = surface.mask(perturbation.points, SHARP)
    original = perturbation.images[0]
    low = original.amin()
    span = (original.amax() - low).clamp_min(1e-6)
    volumes = [
        ((made - low) / span).mean(0).cpu()
        for made in (
            original,
            perturbation.preserved(mask, which)[0],
            perturbation.deleted(mask, which)[0],
        )
    ]
    for k in slices:
        yield Views(*(_on_source(scan, batch, volume, k) for volume in volumes))


def _on_source(
    scan: Scan, batch: InputBatch, image: Tensor, k: int | None = None
) -> npt.NDArray[np.float32]:
    """Bring a network input back to the slice's own pixels; of a stack to those of slice `k`."""
    inverse = np.linalg.inv(batch.index_from_input)
    row, column = np.meshgrid(np.arange(scan.rows), np.arange(scan.columns), indexing="ij")
    across = [] if k is None else [np.full_like(row, k)]
    at = np.stack([column, row, *across, np.ones_like(row)], -1) @ inverse.T
    planes = ndimage.map_coordinates(
        image.numpy(), np.moveaxis(at, -1, 0)[:-1], order=1, mode="constant", cval=np.nan
    )
    return np.asarray(planes, dtype=np.float32)
