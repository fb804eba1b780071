"""Write the sample scans and their truth. Running it again gives the same bytes.

Usage: `python make_sample.py [FOLDER]` (the folder of this file without an argument).
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from brain import head
from numpy.typing import NDArray
from phantom import Grid, Thorax, thorax
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)
from scipy import ndimage
from skimage.io import imsave

STUDY_SEED = 2033
STUDY_GRID = Grid(shape=(40, 160, 208), spacing=(5.0, 1.875, 1.75), z=-112.0)
# Mean diameter in mm, solid, elongation, touches a vessel.
STUDY_NODULES = [
    (27.0, True, 1.25, True),
    (19.0, True, 2.1, False),
    (21.0, False, 1.2, False),
    (13.0, True, 1.1, True),
    (10.0, True, 1.05, False),
]
# From the phantom's own origin to the scanner's (LPS, mm). Eighths are exact in NIfTI's float32.
FRAME = np.array([6.125, -21.5625, -640.0])
RADIOGRAPH_GRID = Grid(shape=(360, 100, 400), spacing=(0.9, 2.8, 0.9), z=-188.0, thickness=0.9)
RADIOGRAPH_NODULES = [(25.0, True, 1.15, False)]
WATER = 0.0195  # attenuation of water per mm at about 70 keV


def uid(*names: str) -> UID:
    """Return a UID that depends on nothing but `names`."""
    return UID(generate_uid(entropy_srcs=["medcontour sample data", *names]))


def study() -> Thorax:
    """Return the phantom behind `ct_study` and `truth/nodules.nii.gz`."""
    return thorax(STUDY_SEED, STUDY_GRID, STUDY_NODULES)


def affine_lps(grid: Grid) -> NDArray[np.float64]:
    """Return the 4 x 4 affine of the study: index (column, row, slice) to LPS mm."""
    affine = np.diag([*grid.spacing[::-1], 1.0])
    affine[:3, 3] = np.asarray(grid.origin) + FRAME
    return affine


def save_nifti(path: Path, data: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """Write a NIfTI with equal sform and qform (code 1) and no time stamp."""
    image = nib.Nifti1Image(data, affine, dtype=data.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(image.to_bytes())


def _common(kind: str, modality: str, sop_class: str, instance: str) -> FileDataset:
    """Patient, study, series, equipment and SOP attributes that both DICOM objects need."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = uid(kind, "instance", instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = uid(kind, "study")
    ds.SeriesInstanceUID = uid(kind, "series")
    ds.PatientName = "Phantom^Thorax"
    ds.PatientID = f"PHANTOM-{kind.upper()}"
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20260101"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "120000"
    ds.ReferringPhysicianName = ""
    ds.AccessionNumber = ""
    ds.StudyID = "1"
    ds.StudyDescription = "Procedural phantom, not a patient"
    ds.Modality = modality
    ds.SeriesNumber = 1
    ds.Manufacturer = "medcontour sample data"
    ds.ManufacturerModelName = "phantom.py"
    ds.BodyPartExamined = "CHEST"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 16
    ds.BitsStored = 16
    ds.HighBit = 15
    return ds


def write_ct(folder: Path, phantom: Thorax) -> None:
    """Write one CT image per slice; file names and instance numbers do not follow position."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = phantom.grid
    affine = affine_lps(grid)
    count = grid.shape[0]
    names = np.random.default_rng(0).permutation(count) + 1
    for k, hu in enumerate(phantom.ct):
        ds = _common("ct", "CT", CTImageStorage, str(k))
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.SeriesDescription = "Thorax 5.0 mm"
        ds.PatientPosition = "HFS"
        ds.FrameOfReferenceUID = uid("ct", "frame")
        ds.PositionReferenceIndicator = ""
        ds.AcquisitionNumber = 1
        ds.InstanceNumber = count - k
        ds.KVP = 120
        ds.ConvolutionKernel = "B30"
        ds.SliceThickness = grid.thickness
        ds.SpacingBetweenSlices = grid.spacing[0]
        ds.PixelSpacing = list(grid.spacing[1:])
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [float(v) for v in affine[:3, 3] + k * affine[:3, 2]]
        ds.SliceLocation = ds.ImagePositionPatient[2]
        ds.Rows, ds.Columns = hu.shape
        ds.PixelRepresentation = 1
        ds.RescaleIntercept = -1024
        ds.RescaleSlope = 1
        ds.RescaleType = "HU"
        ds.WindowCenter = [-500, 40]
        ds.WindowWidth = [1500, 400]
        ds.WindowCenterWidthExplanation = ["LUNG", "MEDIASTINUM"]
        ds.PixelData = (hu + 1024).astype("<i2").tobytes()
        ds.save_as(folder / f"IM{names[k]:04d}.dcm", enforce_file_format=True)


def write_truth(folder: Path, phantom: Thorax) -> None:
    """Write the nodules' label map and what is known of each."""
    grid = phantom.grid
    affine = affine_lps(grid)
    labels = phantom.labels.transpose(2, 1, 0)
    save_nifti(folder / "nodules.nii.gz", labels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    rows = []
    for label, nodule in enumerate(phantom.nodules, start=1):
        index = np.argwhere(labels == label)
        centre = affine[:3, :3] @ index.mean(axis=0) + affine[:3, 3]
        volume = len(index) * float(np.prod(grid.spacing))
        rows.append(
            {
                "label": label,
                "centre_lps_mm": [round(float(v), 3) for v in centre],
                "volume_mm3": round(volume, 1),
                "equivalent_diameter_mm": round((6 * volume / np.pi) ** (1 / 3), 2),
                "elongation": round(max(nodule.semi_axes) / min(nodule.semi_axes), 2),
                "solid": nodule.core == 1.0,
                "touches_vessel": nodule.touches_vessel,
                "slices": sorted({int(k) for k in index[:, 2]}),
            }
        )
    text = json.dumps(
        {"slice_order": "ascending z (feet to head), from 0", "nodules": rows}, indent=2
    )
    (folder / "nodules.json").write_text(text + "\n")


def write_volume(folder: Path) -> None:
    """Write the MR volume: sagittal slices, axes near P, I, R, turned by 9 and 14 degrees."""
    shape, spacing = (168, 160, 38), (1.25, 1.25, 4.0)
    a, b = np.deg2rad([9.0, 14.0])
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    pir = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ pir @ np.diag(spacing)
    affine[:3, 3] = np.array([2.0, -5.0, 0.0]) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    image, lesion = head(7, shape, affine)
    save_nifti(folder / "volume.nii.gz", image, affine)
    save_nifti(folder / "truth" / "volume_lesion.nii.gz", lesion, affine)


def write_radiograph(folder: Path) -> None:
    """Write a frontal projection of another phantom, and its nodule's shadow as a mask."""
    grid = RADIOGRAPH_GRID
    phantom = thorax(4, grid, RADIOGRAPH_NODULES, noise_hu=0.0, planes=1, table=False)
    hu = phantom.ct[::-1].astype(np.float64)
    depth = np.maximum(0.0, 1 + hu / 1000).sum(axis=1) * grid.spacing[1] * WATER
    photons = np.random.default_rng(4).poisson(60000 * np.exp(-depth)) + 1.0
    image = -np.log(photons / 60000)
    # Radiographs are shown with broad differences of density compressed.
    image -= 0.6 * ndimage.gaussian_filter(image, 22.0)
    low, high = np.percentile(image, [0.5, 99.9])
    pixels = np.clip((image - low) / (high - low), 0, 1) * 50000
    ds = _common("cr", "CR", ComputedRadiographyImageStorage, "0")
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.SeriesDescription = "Chest PA"
    ds.ViewPosition = "PA"
    ds.PatientOrientation = ["L", "F"]
    ds.InstanceNumber = 1
    ds.ImagerPixelSpacing = [grid.spacing[0], grid.spacing[2]]
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelRepresentation = 0
    ds.WindowCenter = 25000
    ds.WindowWidth = 50000
    ds.PixelData = np.round(pixels).astype("<u2").tobytes()
    ds.save_as(folder / "radiograph.dcm", enforce_file_format=True)
    shadow = (phantom.labels[::-1] > 0).any(axis=1)
    imsave(
        folder / "truth" / "radiograph_nodule.png",
        shadow.astype(np.uint8) * 255,
        check_contrast=False,
    )


def main(folder: Path) -> None:
    """Write everything below `folder`."""
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    phantom = study()
    write_ct(folder / "ct_study", phantom)
    write_truth(folder / "truth", phantom)
    write_volume(folder)
    write_radiograph(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
