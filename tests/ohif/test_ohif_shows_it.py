"""OHIF draws our pushed objects where the label map and the structure set say, on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes
from scipy.optimize import least_squares
from scipy.spatial import KDTree
from screen import Mapping, fitted, near_colour

import medcontour as mc

pytestmark = pytest.mark.ohif

SLICES = (14, 15)  # a nodule well off the middle, at the patient's right
WINDOW = (-1250.0, 250.0)  # HU from black to white, as the images' own header has it
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
def images(sample_data: Path) -> dict[int, pydicom.Dataset]:
    """The slices' images, read and sorted by pydicom."""
    read = [pydicom.dcmread(path) for path in (sample_data / "ct_study").glob("*.dcm")]
    ordered = sorted(read, key=lambda image: image.ImagePositionPatient[2])
    return {k: ordered[k] for k in SLICES}


@pytest.fixture(scope="module")
def results(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ohif_results") / "out"
    scan = mc.read_scan(sample_data / "ct_study")
    classifier = mc.load_classifier(sample_data / "nodule_classifier")
    suggestion = mc.suggest(scan, classifier, "nodule", slices=slice(SLICES[0], SLICES[-1] + 1))
    suggestion.save(out, formats=["rtstruct", "seg", "labelmap"])
    return out


@pytest.fixture(scope="module")
def shown(
    sample_data: Path,
    results: Path,
    images: dict[int, pydicom.Dataset],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Shown]]:
    # Not at the top: where the marker's components are missing, the module is still collected.
    from ohif_viewer import opened, running_chromium, running_ohif, show, viewport

    study, found = images[SLICES[0]].StudyInstanceUID, {}
    folder = tmp_path_factory.mktemp("ohif")
    with (
        running_ohif(folder, sample_data / "ct_study", results) as address,
        running_chromium() as browser,
    ):
        for modality in ("RTSTRUCT", "SEG"):
            where = (address, study, modality)
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
    found = {}
    for modality, there in shown.items():
        for k, shot in there.shots.items():
            image = images[k]
            hu = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
            greys = 255 * np.clip((hu - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1)
            row_spacing, column_spacing = map(float, image.PixelSpacing)
            found[modality, k] = fitted(shot, greys, row_spacing / column_spacing)
    return found


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


@pytest.fixture(scope="module")
def label_maps(results: Path, images: dict[int, pydicom.Dataset]) -> dict[int, NDArray[np.bool_]]:
    """(rows, columns) for each slice, asked of the label map's file point by point in LPS mm."""
    volume = sitk.ReadImage(str(results / "labelmap.nii.gz"))
    found = {}
    for k, image in images.items():
        x0, y0, z = map(float, image.ImagePositionPatient)
        down, across = map(float, image.PixelSpacing)
        found[k] = np.zeros((image.Rows, image.Columns), bool)
        for row, column in np.ndindex(found[k].shape):
            place = (x0 + column * across, y0 + row * down, z)
            found[k][row, column] = volume[volume.TransformPhysicalPointToIndex(place)] != 0
        assert found[k].sum() > 30
    return found


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def at_pixel_centres(drawn: NDArray[np.bool_], mapping: Mapping, like: NDArray) -> NDArray:
    """What of a screen mask lies at each image pixel's centre: (rows, columns) of the image."""
    row, column = np.indices(like.shape)
    screen = np.rint(mapping.to_screen(np.stack([column, row], -1))).astype(int)
    inside = ((screen >= 0) & (screen < drawn.shape[::-1])).all(-1)
    x, y = np.where(inside[..., None], screen, 0).transpose(2, 0, 1)
    return drawn[y, x] & inside


def drawn_points(shot: NDArray[np.int_], colour: tuple[int, int, int], mapping: Mapping) -> Points:
    """(n, 2) index (column, row) of the screen pixels that have the colour."""
    y, x = np.nonzero(near_colour(shot, colour))
    return mapping.to_index(np.stack([x, y], -1).astype(float))


def shift(points: Points, curve: Points) -> tuple[Points, float]:
    """The shift of the curve that brings it closest to the points, and what then is between them.

    Both in image pixels; the second is what 95 % of the points are within.
    """
    steps = np.linspace(0, 1, 50, endpoint=False)[:, None]
    dense = np.concatenate([a + steps * (b - a) for a, b in pairwise(curve)])
    tree = KDTree(dense)
    found = least_squares(lambda d: tree.query(points - d)[0], [0.0, 0.0], diff_step=0.05)
    return found.x, float(np.percentile(tree.query(points - found.x)[0], 95))


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
    label_maps: dict[int, NDArray[np.bool_]],
) -> None:
    mapping, said = mappings["SEG", k], label_maps[k]
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
    label_maps: dict[int, NDArray[np.bool_]],
) -> None:
    line = near_colour(shown["RTSTRUCT"].shots[k], ORANGE)
    # Where the other curve crosses it, the line has gaps: closed while what it encloses is filled.
    closed = binary_dilation(line, iterations=4)
    enclosed = binary_erosion(binary_fill_holes(closed), iterations=4)
    mapping, said = mappings["RTSTRUCT", k], label_maps[k]
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
