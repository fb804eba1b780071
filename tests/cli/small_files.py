"""A DICOM series with a bright spot, and a MONAI bundle of a network that looks for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

FAMILY, GIVEN, NUMBER, BIRTH = "Geheimrat", "Leopoldine", "PID-90210", "19310405"
ROWS, COLUMNS = 48, 64
CENTRE, RADIUS = (40.0, 18.0), 5.0


class Answer(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def plane(*, spot: bool, seed: int = 0) -> np.ndarray:
    """(rows, columns) float from 0 to 1."""
    image = np.random.default_rng(seed).uniform(0.1, 0.3, (ROWS, COLUMNS))
    row, column = np.mgrid[:ROWS, :COLUMNS]
    if spot:
        image[np.hypot(column - CENTRE[0], row - CENTRE[1]) <= RADIUS] = 0.95
    return image


def write_series(folder: Path, planes: list[np.ndarray] | None = None) -> Path:
    """Write a CT series, 0 to 1 as 0 to 1000 HU; by default the second of four has a spot."""
    folder.mkdir(parents=True)
    if planes is None:
        planes = [plane(spot=k == 1, seed=k) for k in range(4)]
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k, image in enumerate(planes):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame, ""
        dataset.PatientName, dataset.PatientID = f"{FAMILY}^{GIVEN}", NUMBER
        dataset.PatientBirthDate, dataset.PatientSex = BIRTH, "F"
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240102", "101112", "S1"
        dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", ""
        dataset.SeriesDescription = f"CT of {FAMILY}"
        dataset.Modality, dataset.Manufacturer = "CT", "phantom"
        dataset.SeriesNumber, dataset.InstanceNumber = 3, k + 1
        dataset.ImagePositionPatient = [-20, -30, 100 + 3 * k]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness = [1.2, 0.9], 3
        dataset.KVP, dataset.AcquisitionNumber = "120", 1
        dataset.Rows, dataset.Columns = image.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 1
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "HU"
        dataset.PixelData = np.round(image * 1000).astype(np.int16).tobytes()
        dataset.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder


NETWORK = '''
import torch


class SpotNetwork(torch.nn.Module):
    """Logits (no spot, spot): how much is brighter than 0.55 over a few pixels."""

    def __init__(self):
        super().__init__()
        self.smooth = torch.nn.Conv2d(1, 1, 9, padding=4, padding_mode="replicate", bias=False)

    def forward(self, images):
        over = torch.nn.functional.softplus(40 * (self.smooth(images) - 0.55)) / 40
        answer = 4 * (over.flatten(1).sum(1) / 4.5 - 1)
        return torch.stack([torch.zeros_like(answer), answer], 1)
'''


def write_bundle(
    folder: Path,
    *,
    scale: tuple[float, float] = (0, 1000),
    labels: tuple[str, ...] = ("no spot", "spot"),
    weight: float = 1.0,
) -> Path:
    """Write a bundle whose network stands beside its configuration."""
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True)
    (folder / "spot_network.py").write_text(NETWORK)
    step = "monai.transforms."
    (folder / "configs" / "inference.json").write_text(
        json.dumps(
            {
                "network_def": {"_target_": "spot_network.SpotNetwork"},
                "preprocessing": {
                    "_target_": "Compose",
                    "transforms": [
                        {"_target_": f"{step}LoadImage"},
                        {"_target_": f"{step}EnsureChannelFirst"},
                        {
                            "_target_": f"{step}ScaleIntensityRange",
                            "a_min": scale[0],
                            "a_max": scale[1],
                            "b_min": 0,
                            "b_max": 1,
                        },
                    ],
                },
            }
        )
    )
    pred = {"channel_def": {str(index): label for index, label in enumerate(labels)}}
    metadata = {"name": "Spot finder", "network_data_format": {"outputs": {"pred": pred}}}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    bell = torch.exp(-0.5 * (torch.arange(-4.0, 5.0) / 2.0) ** 2)
    kernel = bell[:, None] * bell
    weights = {"smooth.weight": (weight * kernel / kernel.sum())[None, None]}
    torch.save(weights, folder / "models" / "model.pt")
    return folder
