"""The phantoms that both ways are held against, and what counts as found."""

from __future__ import annotations

import numpy as np
import slices_and_volume


def test_a_phantom_is_read_with_its_nodule_where_it_is() -> None:
    scan, truth = slices_and_volume.drawn(970_100)
    assert truth.shape == scan.voxels.shape
    assert truth.any()
    inside = scan.voxels[truth]
    across = np.flip(truth, axis=2)  # about the same place in the other lung
    assert np.median(inside) > np.median(scan.voxels[across & ~truth]) + 250
    assert slices_and_volume.middle_inside(truth, truth, scan) == 1
    assert slices_and_volume.middle_inside(across, truth, scan) == 0
    assert slices_and_volume.middle_inside(np.zeros_like(truth), truth, scan) == 0
