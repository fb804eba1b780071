"""Where contours of planted scans land: any axes, pictures, cropping, resizing."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import torch
from monai.transforms import (
    CenterSpatialCrop,
    CropForeground,
    EnsureChannelFirst,
    Resize,
    ScaleIntensityRange,
    SpatialPad,
    Transpose,
)
from planted import (
    COLUMNS,
    ROWS,
    SPOT,
    Spots,
    centroid,
    classifier,
    dice,
    disc,
    ground,
    pixel_mask,
    polygons,
    scan_of,
    with_spots,
)

import medcontour as mc

# Where it lands


FLIPS = {
    "RAS": np.diag([1.2, 1.2, 4.0, 1.0]),
    "LAS": np.diag([-1.2, 1.2, 4.0, 1.0]),
    "LPS": np.diag([-1.2, -1.2, 4.0, 1.0]),
    "RAI": np.diag([1.2, 1.2, -4.0, 1.0]),
    "PSR": np.array([[0, 0, 4.0, 0], [-1.1, 0, 0, 0], [0, 1.3, 0, 0], [0, 0, 0, 1.0]]),
    "SLA": np.array([[0, -1.3, 0, 0], [0, 0, 4.0, 0], [1.1, 0, 0, 0], [0, 0, 0, 1.0]]),
}
QUICK = ("LAS", "PSR")


@pytest.mark.parametrize(
    "orientation",
    [*QUICK, *(pytest.param(o, marks=pytest.mark.slow) for o in FLIPS if o not in QUICK)],
)
def test_in_a_nifti_file_with_any_axes_the_contour_lands_on_the_spot(
    orientation: str, tmp_path: Path
) -> None:
    affine = FLIPS[orientation].copy()
    affine[:3, 3] = (13.0, -27.0, 41.0)
    assert "".join(nibabel.aff2axcodes(affine)) == orientation
    shape = (52, 44, 3)
    centre_index = np.array([33.0, 15.0, 1.0])
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    away = np.linalg.norm((index - centre_index) * np.linalg.norm(affine[:3, :3], axis=0), axis=-1)
    truth = (away < 6) & (index[..., 2] == 1)
    data = np.random.default_rng(0).uniform(0.1, 0.3, shape).astype(np.float32)
    data[truth] = 0.95
    nibabel.save(nibabel.Nifti1Image(data, affine), tmp_path / "volume.nii.gz")

    suggestion = mc.suggest(mc.read_scan(tmp_path / "volume.nii.gz"), classifier(Spots()))
    suggestion.save(tmp_path / "out", ["labelmap"])
    [outline] = polygons(suggestion, "outline")
    [evidence] = polygons(suggestion, "evidence")
    wanted = (affine @ [*centre_index, 1])[:3] * (-1, -1, 1)
    for polygon in (outline, evidence):
        assert np.linalg.norm(polygon.mean(0) - wanted) < 1.2
    written = nibabel.load(tmp_path / "out" / "labelmap.nii.gz")
    assert written.shape == shape
    np.testing.assert_array_equal(written.affine, nibabel.load(tmp_path / "volume.nii.gz").affine)
    assert dice(np.asarray(written.dataobj) == 1, truth) >= 0.9


@pytest.mark.slow
def test_an_image_without_physical_size(tmp_path: Path) -> None:
    plane = (with_spots([SPOT]) * 255).astype(np.uint8)
    PIL.Image.fromarray(plane).save(tmp_path / "picture.png")
    scaled = [
        EnsureChannelFirst(channel_dim="no_channel"),
        Transpose((0, 2, 1)),
        ScaleIntensityRange(0, 255, 0, 1),
    ]
    suggestion = mc.suggest(mc.read_scan(tmp_path / "picture.png"), classifier(Spots(), scaled))
    saved = suggestion.save(tmp_path / "out")
    assert suggestion.scan.units == "pixel"
    for name in ("rtstruct", "seg"):
        assert saved.left_out[name].endswith("is not DICOM.")
        assert not (tmp_path / "out" / f"{name}.dcm").exists()
    written = np.asarray(nibabel.load(tmp_path / "out" / "labelmap.nii.gz").dataobj)
    assert written.shape == (COLUMNS, ROWS, 1)
    assert dice(written[..., 0].T == 1, disc(*SPOT[:2])) >= 0.9
    assert suggestion.slices[0].outlines[0].area_mm2 == pytest.approx(np.pi * 25, rel=0.15)


def test_a_picture_in_colour(tmp_path: Path) -> None:
    """The network sees three channels; the outline follows their mean."""
    grey = with_spots([SPOT]) * 255
    colour = np.stack([grey, 0.9 * grey, 0.8 * grey], -1).astype(np.uint8)
    PIL.Image.fromarray(colour).save(tmp_path / "colour.png")
    to_grey = torch.nn.Conv2d(3, 1, 1, bias=False)
    to_grey.weight.data[:] = 1 / (2.7 * 255)
    steps = [EnsureChannelFirst(), Transpose((0, 2, 1))]
    network = torch.nn.Sequential(to_grey, Spots())
    suggestion = mc.suggest(mc.read_scan(tmp_path / "colour.png"), classifier(network, steps))
    [outline] = polygons(suggestion, "outline")
    assert dice(pixel_mask(outline), disc(*SPOT[:2])) >= 0.9


@pytest.mark.slow
def test_slices_that_are_cropped_to_their_content_keep_their_own_places() -> None:
    """Slices whose inputs differ in size go to the network in different batches."""
    planes = []
    for k, centre in enumerate([(40.0, 18.0), (22.0, 30.0)]):
        plane = with_spots([(centre, 5.0, 0.95)], seed=k)
        plane[:, : 6 + 4 * k] = 0
        planes.append(plane)
    steps = [EnsureChannelFirst(channel_dim="no_channel"), CropForeground()]
    suggestion = mc.suggest(scan_of(*planes), classifier(Spots(), steps))
    found = [centroid(polygon[:, :2]) for polygon in polygons(suggestion, "outline")]
    np.testing.assert_allclose(found, [(40, 18), (22, 30)], atol=1)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 1.1)])
def test_through_resizing_cropping_and_padding(spacing: tuple[float, float]) -> None:
    """The network's pixels are not the scan's; the contour lands on the scan's."""
    steps = [
        EnsureChannelFirst(channel_dim="no_channel"),  # columns before rows, as LoadImage gives
        Resize((84, 60)),
        CenterSpatialCrop((70, 52)),
        SpatialPad((96, 80)),
    ]
    plane = ground(4)
    truth = disc((37.0, 20.0), 5.0, spacing)
    plane[truth] = 0.95
    suggestion = mc.suggest(scan_of(plane, spacing=spacing), classifier(Spots(), steps))
    [finding] = suggestion.slices
    assert finding.status == "suggested"
    for contour in (*finding.evidence_contours, *finding.outlines):
        in_pixels = contour.polygon_lps_mm[:, :2] / (spacing[1], spacing[0])
        assert np.abs(centroid(in_pixels) - (37.0, 20.0)).max() < 1
    assert dice(pixel_mask(in_pixels), truth) >= 0.9
