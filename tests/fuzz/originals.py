"""Whole files of every kind that is read, small, with a patient's name in them: what is damaged."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import torch
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "edits"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "formats"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edits import AXIAL, smooth_suggestion, write_series
from small_files import write_bundle
from small_files import write_series as write_spot_series

import medcontour as mc

SECRETS = ("Müller", "Jürgen", "PAT-4711", "19610203", "Geheimrat", "Leopoldine", "PID-90210")


def write_originals(root: Path) -> None:
    """Write them all, with the scan and the suggestion that they belong to."""
    scan = mc.read_scan(write_series(AXIAL, root / "series"))
    suggestion = smooth_suggestion(scan)
    suggestion = replace(suggestion, settings=suggestion.settings | {"scan": str(root / "series")})
    formats = ["rtstruct", "seg", "seg-labelmap", "seg-fractional", "labelmap", "nrrd", "coco"]
    suggestion.save(root / "out", [*formats, "markups", "sr"])
    _write_pictures(root / "pictures")
    _write_dicom(root)
    affine = np.diag([0.8, 1.3, 2.7, 1.0])
    values = np.random.default_rng(1).integers(0, 900, (40, 30, 4)).astype(np.int16)
    for name in ("volume.nii", "volume.nii.gz"):
        nib.save(nib.Nifti1Image(values, affine), root / name)
    labels = nib.load(root / "out" / "labelmap.nii.gz")
    nib.save(labels, root / "labelmap.nii")
    _write_bundles(root)


def _write_pictures(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(2)
    grey = rng.integers(0, 255, (30, 40), dtype=np.uint8)
    colour = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 200).save(folder / "deep.png")
    Image.fromarray(colour).save(folder / "colour.jpg")
    Image.fromarray(colour).save(folder / "progressive.jpg", progressive=True)
    Image.fromarray(grey).save(folder / "raw.tiff")
    Image.fromarray(colour).save(folder / "packed.tiff", compression="tiff_deflate")
    Image.fromarray(grey).save(folder / "lzw.tiff", compression="tiff_lzw")
    Image.fromarray((grey > 99).astype(np.uint8)).save(folder / "labels.png")


def _write_dicom(root: Path) -> None:
    """One slice each, uncompressed and compressed, and an enhanced object made of three."""
    for number, syntax in enumerate((RLELossless, JPEG2000Lossless, JPEGLSLossless)):
        dataset = pydicom.dcmread(root / "series" / "001.dcm")
        dataset.PixelRepresentation = 0
        try:
            dataset.compress(syntax)
        except (RuntimeError, ValueError):  # no encoder is installed for this one
            continue
        dataset.save_as(root / f"compressed{number}.dcm", enforce_file_format=True)
    source = pydicom.dcmread(root / "series" / "001.dcm")
    source.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    source.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    frames = []
    for k in range(3):
        place, measures = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [0, 0, 2 * k]
        measures.PixelSpacing, measures.SliceThickness = [1, 1], 2
        turn, item = pydicom.Dataset(), pydicom.Dataset()
        turn.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        item.PlanePositionSequence, item.PixelMeasuresSequence = [place], [measures]
        item.PlaneOrientationSequence = [turn]
        frames.append(item)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del source[keyword]
    source.NumberOfFrames, source.PerFrameFunctionalGroupsSequence = 3, frames
    source.PixelData = source.PixelData * 3
    source.save_as(root / "enhanced.dcm", enforce_file_format=True)


def _write_bundles(root: Path) -> None:
    """A bundle of MONAI's own network, one with its own module, and TorchScript."""
    write_spot_series(root / "spots")
    write_bundle(root / "spot_bundle")
    folder = root / "bundle"
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True)
    network = {
        "_target_": "monai.networks.nets.DenseNet",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 2,
        "init_features": 4,
        "growth_rate": 2,
        "block_config": [1, 1],
        "bn_size": 1,
    }
    step = "monai.transforms."
    steps = [
        {"_target_": f"{step}EnsureChannelFirst", "channel_dim": "no_channel"},
        {"_target_": f"{step}Resize", "spatial_size": [32, 32]},
        {"_target_": f"{step}ScaleIntensity", "minv": 0.0, "maxv": 1.0},
    ]
    config = {
        "network_def": network,
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "postprocessing": {"_target_": f"{step}Activations", "sigmoid": False},
    }
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    metadata = json.loads((root / "spot_bundle" / "configs" / "metadata.json").read_text())
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    from monai.networks.nets import DenseNet

    torch.manual_seed(0)
    made = DenseNet(**{key: value for key, value in network.items() if key[0] != "_"}).eval()
    save_file(made.state_dict(), folder / "models" / "model.safetensors")
    torch.save(made.state_dict(), root / "model.pt")
    buffer = io.BytesIO()
    extra = {"metadata.json": json.dumps(metadata)}
    traced = torch.jit.trace(made, torch.zeros(1, 1, 32, 32))
    torch.jit.save(traced, buffer, _extra_files=extra)
    (root / "model.ts").write_bytes(buffer.getvalue())
