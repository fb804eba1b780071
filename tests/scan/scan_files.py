"""Writes DICOM series of known geometry by pydicom, and reads them by SimpleITK."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DSfloat

AXIAL = np.array([[1, 0, 0], [0, 1, 0]], float)
SAGITTAL = np.array([[0, 1, 0], [0, 0, -1]], float)
CORONAL = np.array([[1, 0, 0], [0, 0, -1]], float)


def rotation(x: float, y: float, z: float) -> np.ndarray:
    def turn(angle: float, first: int, second: int) -> np.ndarray:
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = np.cos(angle)
        matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
        return matrix

    return turn(x, 1, 2) @ turn(y, 0, 2) @ turn(z, 0, 1)


OBLIQUE = AXIAL @ rotation(0.4, -0.3, 0.7).T
ORIENTATIONS = {"axial": AXIAL, "sagittal": SAGITTAL, "coronal": CORONAL, "oblique": OBLIQUE}


def decimals(values: Any) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in np.ravel(values)]


def volume(shape: tuple[int, ...] = (5, 6, 7), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-900, 900, shape).astype(np.int16)


def slice_dataset(pixels: np.ndarray, **attributes: Any) -> Dataset:
    """One CT slice; keyword arguments set attributes, None removes one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "CT"
    dataset.PatientName = "Secret^Name"
    dataset.PatientID = "SECRET-ID"
    dataset.PatientBirthDate = "19010203"
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.3.4"
    dataset.SeriesDescription = "Secret^Name follow-up"
    dataset.FrameOfReferenceUID = "1.2.3.5"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def write(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    voxels: np.ndarray,
    *,
    orientation: np.ndarray = AXIAL,
    spacing: tuple[float, float] = (0.7, 0.9),
    origins: np.ndarray | None = None,
    order: Sequence[int] | None = None,
    change: Callable[[Dataset, int], None] = lambda dataset, index: None,
    **attributes: Any,
) -> list[Path]:
    """Write slice k of `voxels` at `origins[k]`; the files are numbered in `order`."""
    if origins is None:
        normal = np.cross(*orientation)
        origins = np.array([-100.0, 50.0, 30.0]) + 2.5 * np.arange(len(voxels))[:, None] * normal
    paths = []
    for number, index in enumerate(order if order is not None else range(len(voxels))):
        dataset = slice_dataset(
            voxels[index],
            ImagePositionPatient=decimals(origins[index]),
            ImageOrientationPatient=decimals(orientation),
            PixelSpacing=decimals(spacing),
            InstanceNumber=number + 1,
            **attributes,
        )
        change(dataset, index)
        paths.append(write(dataset, folder / f"slice{number:03d}.dcm"))
    return paths


def itk_series(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def enhanced(voxels: np.ndarray, order: list[int], *, places: bool = True) -> Dataset:
    """An enhanced CT whose frames stand in `order`, with a rescale of its own for each."""
    dataset = slice_dataset(voxels[0], SOPClassUID=pydicom.uid.EnhancedCTImageStorage)
    dataset.NumberOfFrames = len(voxels)
    dataset.PixelData = voxels[order].tobytes()
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = decimals((0.7, 0.9)), "2"
    orientation.ImageOrientationPatient = decimals(OBLIQUE)
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for index in order:
        place, scale, frame = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = decimals(
            np.array([5.0, 6, 7]) + index * 2 * np.cross(*OBLIQUE)
        )
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = str(index + 1), "-7", "HU"
        if places:
            frame.PlanePositionSequence = [place]
        frame.PixelValueTransformationSequence = [scale]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    return dataset
