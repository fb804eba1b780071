"""Marks that another program drew are found, and images without marks are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from burnt_in_marks import SOLID, ink, marked, speckle
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import medcontour as mc
from medcontour.shortcuts import filled_in, find_marks, share_on, shortcut_shares


def found_share(plane: np.ndarray, mark: np.ndarray) -> float:
    return float(find_marks(plane).pixels[mark].mean())


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(SOLID), value=st.floats(225, 255))
def test_marks_on_speckle_are_found_and_little_else(seed: int, kind: str, value: float) -> None:
    mark = ink(kind, seed, (256, 256))
    plane = marked(speckle(seed), mark, value)
    found = find_marks(plane).pixels
    assert found[mark].mean() >= 0.5
    assert (found & ~ndimage.binary_dilation(mark, iterations=4)).mean() < 0.005


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 1e4), offset=st.floats(-1e3, 1e3))
def test_speckle_without_marks_has_none(seed: int, scale: float, offset: float) -> None:
    plane = (speckle(seed) * scale + offset).astype(np.float32)
    assert not find_marks(plane).pixels.any()


def test_no_image_is_too_small_or_too_plain() -> None:
    for plane in (np.zeros((1, 1)), np.full((40, 3), 7.0), np.eye(5), np.zeros((8, 8, 3))):
        assert not find_marks(plane.astype(np.float32)).pixels.any()


def test_colour_on_a_grey_picture_is_an_overlay_and_a_coloured_picture_has_none() -> None:
    grey = np.repeat(speckle(0)[..., None], 3, axis=-1)
    overlay = grey.copy()
    overlay[40:60, 100:130] = (0, 200, 60)
    marks = find_marks(overlay)
    assert marks.colour[40:60, 100:130].all()
    assert marks.colour.sum() < 1.3 * 20 * 30
    assert not find_marks(grey).colour.any()
    assert not find_marks(grey * np.array([1.0, 0.5, 0.3], np.float32)).pixels.any()


def test_metal_is_told_by_hounsfield_units_and_only_in_ct() -> None:
    plane = np.full((256, 256), 40.0, np.float32)
    plane[:, :64] = 1400.0  # dense bone
    plane[100:106, 100:140] = 3071.0
    assert find_marks(plane, "CT").metal[100:106, 100:140].all()
    assert not find_marks(plane, "CT").metal[:, :90].any()
    assert not find_marks(plane, "MR").metal.any()


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_the_share_and_its_chance_are_those_of_moving_the_region_everywhere(seed: int) -> None:
    chance = np.random.default_rng(seed)
    place = chance.random((12, 15)) < 0.3
    region = np.zeros((12, 15), bool)
    region[2:6, 3:8] = chance.random((4, 5)) < 0.6
    region[2, 3] = region[5, 7] = True
    own = region[2:6, 3:8]
    moved = [place[r : r + 4, c : c + 5][own].mean() for r in range(9) for c in range(11)]
    share = share_on(region, place)
    assert share.share == pytest.approx(place[region].mean())
    assert share.chance == pytest.approx(np.mean(moved))
    assert share.p_value == pytest.approx(np.mean(np.array(moved) >= share.share - 1e-9))


def test_a_contour_on_a_mark_stands_out_and_one_elsewhere_does_not() -> None:
    mark = ink("text", 3, (256, 256))
    plane = marked(speckle(3), mark, 255)
    rows, columns = (slice(edges.min() - 2, edges.max() + 3) for edges in np.nonzero(mark))
    on, off = np.zeros((2, 256, 256), bool)
    on[rows, columns] = True
    off = np.roll(on, (128, 100), (0, 1))
    assert shortcut_shares(plane, on).marks.share > 0.5
    assert shortcut_shares(plane, on).marks.p_value < 0.01
    assert shortcut_shares(plane, off).marks.share == 0
    assert shortcut_shares(plane, off).marks.p_value == 1


def test_what_is_filled_in_is_gone() -> None:
    mark = ink("calipers", 5, (256, 256))
    plane = marked(speckle(5), mark, 255)
    filled = filled_in(plane, find_marks(plane).pixels)
    assert filled.max() <= speckle(5).max()
    assert not find_marks(filled).pixels.any()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "modality",
    ["CT", pytest.param("OT", marks=pytest.mark.slow)],  # a NIfTI file does not tell its own
)
def test_ct_slices_without_marks_have_none(modality: str, shared_data: Path) -> None:
    scan = mc.read_scan(shared_data / "dicom" / "siemens_ct_totalseg")
    assert not any(find_marks(plane, modality).pixels.any() for plane in scan.voxels)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("kind", ["text", "calipers", "dotted line"])
def test_marks_drawn_on_brain_slices_are_found(shared_data: Path, kind: str) -> None:
    files = sorted((shared_data / "brain_mri" / "images").iterdir())[::151]
    planes = [mc.read_scan(file).voxels[0] for file in files]
    marks = [ink(kind, seed, plane.shape) for seed, plane in enumerate(planes)]
    shares = [found_share(marked(p, m, p.max()), m) for p, m in zip(planes, marks, strict=True)]
    assert np.mean(shares) >= 0.8
