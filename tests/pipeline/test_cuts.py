"""Cuts of surfaces by slices where they are no stars, or leave the image."""

from __future__ import annotations

import numpy as np
import torch

from medcontour.contour import HarmonicSurface
from medcontour.contour.polygons import region
from medcontour.pipeline.cuts import cuts
from medcontour.pipeline.whole_stack import volume_geometry
from medcontour.results import FindingSlice
from medcontour.scan import Scan


def scan_of(shape: tuple[int, int, int]) -> Scan:
    affine_lps = np.array([[0.0, 1.1, 0, 3], [0.9, 0, 0, -7], [0, 0, 2.0, 5], [0, 0, 0, 1]])
    origins = affine_lps[:3, 3] + np.arange(shape[0])[:, None] * affine_lps[:3, 2]
    return Scan(np.zeros(shape, np.float32), affine_lps, origins, "mm", "CT", "memory", (0.0, 1.0))


def bowl() -> HarmonicSurface:
    """Drawn in on top, so that slices above its bottom cut it in rings."""
    surface = HarmonicSurface.spheres(torch.zeros(1, 3), torch.tensor([0.5]), degree=4)
    surface.harmonics[0, 1], surface.harmonics[0, 5] = -0.5, -0.5  # z, and 3 z^2 - 1
    return surface


def test_a_ring_is_one_polygon_that_says_that_no_star_holds_it() -> None:
    scan = scan_of((24, 48, 40))
    geometry = volume_geometry(scan)
    surface = bowl()
    found = cuts(surface, scan, {})
    rings = 0
    for k, contours in found.items():
        column, row = np.meshgrid(np.arange(40), np.arange(48))
        index = torch.from_numpy(np.stack([column, row, np.full_like(row, k)], -1)).float()
        gap = surface.gap(geometry.from_index(index))[0].numpy()
        mask = np.zeros(gap.shape, bool)
        for contour in contours:
            part = FindingSlice(k, None, "a", 1.0, "suggested", None, (contour,), ()).mask(
                scan, "evidence"
            )
            assert not (mask & part).any()
            mask |= part
        clear = np.abs(gap) > 0.01
        np.testing.assert_array_equal(mask[clear], (gap > 0)[clear])
        for contour in contours:
            hole = len(region(scan.to_index(contour.polygon_lps_mm, k)).geoms[0].interiors)
            rings += hole
            if hole:
                assert contour.exact_polygon_lps_mm is not None
    assert rings >= 1


def test_what_lies_outside_the_image_is_left_out() -> None:
    scan = scan_of((24, 48, 40))
    surface = HarmonicSurface.spheres(torch.tensor([[0.8, 0.0, 0.0]]), torch.tensor([0.4]))
    found = cuts(surface, scan, {})
    assert found
    for k, contours in found.items():
        for contour in contours:
            index = scan.to_index(contour.polygon_lps_mm, k)
            assert index[:, 0].max() <= scan.columns - 0.5 + 1e-9
