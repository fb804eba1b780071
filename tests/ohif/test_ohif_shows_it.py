"""OHIF draws our pushed objects where the label map and the structure set say, on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes
from scipy.spatial import KDTree
from screen import (
    Mapping,
    at_pixel_centres,
    drawn_points,
    fitted_image,
    labelled,
    near_colour,
    shift,
)

pytestmark = pytest.mark.ohif

SLICES = (14, 15)
ORANGE, BLUE = (230, 159, 0), (86, 180, 233)
COLOURS = {"nodule 1": ORANGE, "nodule 1 evidence": BLUE}

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """What OHIF made of one of our objects: a screenshot a slice, the page's text, and more."""

    shots: dict[int, NDArray[np.int_]]
    text: str
    asked: list[str]
    address: str


@pytest.fixture(scope="module")
def shown(served: tuple[Any, str], images: dict[int, pydicom.Dataset]) -> dict[str, Shown]:
    from ohif_viewer import opened, show, viewport

    (browser, address), found = served, {}
    for modality in ("RTSTRUCT", "SEG"):
        where = (address, images[SLICES[0]].StudyInstanceUID, modality)
        with opened(browser, *where, width=1900, height=1080) as (page, asked):
            shots = {}
            for k, image in images.items():
                show(page, image.SOPInstanceUID)
                shots[k] = viewport(page)
            found[modality] = Shown(shots, page.inner_text("body"), asked, address)
    return found


@pytest.fixture(scope="module")
def mappings(
    shown: dict[str, Shown], images: dict[int, pydicom.Dataset]
) -> dict[tuple[str, int], Mapping]:
    return {
        (modality, k): fitted_image(shot, images[k])
        for modality, there in shown.items()
        for k, shot in there.shots.items()
    }


@pytest.fixture(scope="module")
def curves(results: Path, images: dict[int, pydicom.Dataset]) -> dict[tuple[str, int], Points]:
    """Closed polygons of the structure set: index (column, row), by ROI name and slice."""
    structures = pydicom.dcmread(results / "rtstruct.dcm")
    names = {roi.ROINumber: roi.ROIName for roi in structures.StructureSetROISequence}
    slices = {image.SOPInstanceUID: k for k, image in images.items()}
    found = {}
    for roi in structures.ROIContourSequence:
        for contour in roi.ContourSequence:
            k = slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            assert images[k].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
            points = np.array(contour.ContourData, float).reshape(-1, 3)[:, :2]
            origin = np.array(images[k].ImagePositionPatient[:2], float)
            spacing = np.array(images[k].PixelSpacing[::-1], float)
            column_row = (points - origin) / spacing
            assert (names[roi.ReferencedROINumber], k) not in found
            found[names[roi.ReferencedROINumber], k] = np.vstack([column_row, column_row[:1]])
    return found


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_picture_is_the_scan_itself(
    mappings: dict[tuple[str, int], Mapping], images: dict[int, pydicom.Dataset]
) -> None:
    for (_, k), mapping in mappings.items():
        row_spacing, column_spacing = map(float, images[k].PixelSpacing)
        assert mapping.misfit < 5
        assert mapping.scale[1] / mapping.scale[0] == pytest.approx(
            row_spacing / column_spacing, rel=2e-3
        )
        assert mapping.scale.min() > 4  # half an image pixel is some screen pixels


@pytest.mark.parametrize("k", SLICES)
def test_the_segment_fills_the_label_maps_pixels(
    k: int,
    shown: dict[str, Shown],
    mappings: dict[tuple[str, int], Mapping],
    results: Path,
    images: dict[int, pydicom.Dataset],
) -> None:
    mapping, said = mappings["SEG", k], labelled(results / "labelmap.nii.gz", images[k])
    drawn = near_colour(shown["SEG"].shots[k], ORANGE)
    filled = at_pixel_centres(drawn, mapping, said)
    assert np.array_equal(filled, said)
    middle = mapping.to_index(np.argwhere(drawn)[:, ::-1].astype(float)).mean(0)
    assert np.abs(middle - np.argwhere(said)[:, ::-1].mean(0)).max() < 0.1
    # What is said of the commonest faults.
    for faulty in (said[:, ::-1], said[::-1], np.roll(said, 1, 0), np.roll(said, 1, 1)):
        assert overlap(filled, faulty) < 0.9


@pytest.mark.parametrize("k", SLICES)
def test_the_drawn_outline_encloses_the_label_maps_pixels(
    k: int,
    shown: dict[str, Shown],
    mappings: dict[tuple[str, int], Mapping],
    results: Path,
    images: dict[int, pydicom.Dataset],
) -> None:
    line = near_colour(shown["RTSTRUCT"].shots[k], ORANGE)
    # Where the other curve crosses it, the line has gaps: closed while what it encloses is filled.
    closed = binary_dilation(line, iterations=4)
    enclosed = binary_erosion(binary_fill_holes(closed), iterations=4)
    mapping, said = mappings["RTSTRUCT", k], labelled(results / "labelmap.nii.gz", images[k])
    filled, on_line = (
        at_pixel_centres(enclosed, mapping, said),
        at_pixel_centres(line, mapping, said),
    )
    # On which side a pixel is whose centre the line covers, the screen cannot tell.
    assert np.array_equal(filled[~on_line], said[~on_line])
    assert (said & ~on_line).sum() > said.sum() / 2
    assert overlap(filled, said[:, ::-1]) < 0.1
    assert overlap(filled, said[::-1]) < 0.1


@pytest.mark.parametrize("k", SLICES)
@pytest.mark.parametrize("name", COLOURS)
def test_curves_are_drawn_where_the_structure_set_says(
    name: str,
    k: int,
    shown: dict[str, Shown],
    mappings: dict[tuple[str, int], Mapping],
    curves: dict[tuple[str, int], Points],
    images: dict[int, pydicom.Dataset],
) -> None:
    curve, mapping = curves[name, k], mappings["RTSTRUCT", k]
    points = drawn_points(shown["RTSTRUCT"].shots[k], COLOURS[name], mapping)
    moved, apart = shift(points, curve)
    assert np.abs(moved).max() < 0.1
    assert apart < 0.3
    # All of it is drawn.
    missing = KDTree(points).query(curve)[0]
    assert np.percentile(missing, 95) < 0.5
    # Half a pixel off would be seen, and so would be a curve turned over.
    assert np.abs(shift(points, curve + 0.5)[0] + 0.5).max() < 0.1
    size = np.array([images[k].Columns, images[k].Rows])
    for axis in (0, 1):
        flipped = curve.copy()
        flipped[:, axis] = size[axis] - 1 - flipped[:, axis]
        assert np.median(KDTree(flipped).query(points)[0]) > 5


def test_a_reader_sees_what_is_what(shown: dict[str, Shown]) -> None:
    lines = {modality: there.text.splitlines() for modality, there in shown.items()}
    assert {"nodule 1", "nodule 1 evidence", "medcontour suggestion"} < set(lines["RTSTRUCT"])
    assert {"nodule 1", "medcontour suggestion"} < set(lines["SEG"])
    assert "nodule 1 evidence" not in lines["SEG"]  # a segment is an outline
    for k in SLICES:
        assert not near_colour(shown["SEG"].shots[k], BLUE).any()


def test_the_viewer_asks_no_other_address(shown: dict[str, Shown]) -> None:
    for there in shown.values():
        web = [url for url in there.asked if urlsplit(url).scheme not in ("blob", "data")]
        assert any("/dicom-web/" in url for url in web)
        assert all(url.startswith(f"{there.address}/") for url in web)
