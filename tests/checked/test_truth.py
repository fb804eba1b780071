"""Which suggested findings a mask says are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from small_files import CENTRE, COLUMNS, ROWS, write_bundle, write_series

import medcontour as mc
from medcontour.checked.truth import kept, truth_of

Mask = np.ndarray


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> mc.Suggestion:
    """A spot on the second of four slices, which are 3 mm apart and of pixels 0.9 x 1.2 mm."""
    folder = tmp_path_factory.mktemp("truth")
    scan = mc.read_scan(write_series(folder / "study"))
    return mc.suggest(scan, write_bundle(folder / "bundle"), slices=1)


def disc(radius: float, column: float = CENTRE[0], row: float = CENTRE[1]) -> Mask:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    volume = np.zeros((4, ROWS, COLUMNS), bool)
    volume[1] = np.hypot(columns - column, rows - row) <= radius
    return volume


@pytest.mark.parametrize(
    ("truth", "right"),
    [
        (disc(5), True),
        (disc(5) | disc(4, column=10), True),  # another object, which it does not touch
        (disc(12), False),  # far larger than what is suggested
        (disc(5, column=CENTRE[0] + 7), False),  # beside it
        (disc(9) & ~disc(3), False),  # its center is in a hole
        (np.roll(disc(5), 1, axis=0), False),  # on the next slice
        (np.zeros((4, ROWS, COLUMNS), bool), False),
    ],
)
def test_right_is_what_lies_in_an_object_and_fills_it(
    found: mc.Suggestion, truth: Mask, right: bool
) -> None:
    [finding] = found.findings
    assert kept(finding, found, found.source, truth) is right


@pytest.mark.parametrize("name", ["labelmap", "rtstruct", "seg", "nrrd"])
def test_an_edited_file_is_a_mask_whatever_its_format(
    found: mc.Suggestion, tmp_path: Path, name: str
) -> None:
    """Its evidence contours are left out: they are no truth."""
    found.save(tmp_path, formats=[name])
    [file] = [
        path for path in tmp_path.iterdir() if path.name.endswith((".dcm", ".nii.gz", ".nrrd"))
    ]
    [finding] = found.findings
    assert (truth_of(file, found.source) == finding.mask()).mean() > 0.999
    assert kept(finding, found, found.source, truth_of(file, found.source))


def test_a_mask_of_another_grid_is_refused(found: mc.Suggestion, tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((ROWS, COLUMNS), np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(mc.MedcontourError, match=r"mask\.png"):
        truth_of(tmp_path / "mask.png", found.source)
