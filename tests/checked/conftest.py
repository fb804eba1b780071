"""Pictures with and without a spot, their masks, and a bundle that finds spots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_files import CENTRE, COLUMNS, RADIUS, ROWS, plane, write_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("checked") / "bundle", scale=(0, 255))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``plain_0.png`` to 4 without a spot, ``spot_0.png`` and 1 with one; masks of both kinds."""
    folder = tmp_path_factory.mktemp("pictures")
    row, column = np.mgrid[:ROWS, :COLUMNS]
    inside = np.hypot(column - CENTRE[0], row - CENTRE[1]) <= RADIUS
    for spot, count in ((False, 5), (True, 2)):
        for n in range(count):
            values = np.round(255 * plane(spot=spot, seed=n)).astype(np.uint8)
            name = f"{'spot' if spot else 'plain'}_{n}"
            PIL.Image.fromarray(values).save(folder / f"{name}.png")
            mask = np.where(inside & spot, 255, 0).astype(np.uint8)
            PIL.Image.fromarray(mask).save(folder / f"{name}_mask.png")
    return folder
