"""Files that are small and unpack to much, valid giants, and what is no file: pipes and devices."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

__all__ = ["BOMBS", "write_bomb"]

BLOCK = 2**24
SIZES = (64, 256, 1024)
"""Blocks of 16 MiB: up to 16 GiB."""


def deflated(start: bytes, blocks: int, wbits: int = -15) -> bytes:
    """Deflate some bytes and so many blocks of zeros, without holding them."""
    packer = zlib.compressobj(6, zlib.DEFLATED, wbits)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = zlib.compressobj(6, zlib.DEFLATED, -15)
    block = zeros.compress(bytes(BLOCK)) + zeros.flush(zlib.Z_FULL_FLUSH)
    return head + block * blocks + packer.flush()


def dicom(root: Path, folder: Path, blocks: int) -> Path:
    """A deflated DICOM image: its pixel data are as long as the header says."""
    whole = pydicom.dcmread(root / "series" / "001.dcm")
    whole.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole.Rows = whole.Columns = min(65534, int((blocks * BLOCK / 2) ** 0.5) // 2 * 2)
    del whole.PixelData
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    pydicom.filewriter.write_dataset(buffer, whole)
    length = 2 * whole.Rows * whole.Columns % 2**32
    pixels = b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", length)
    path = folder / "deflated.dcm"
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        write_file_meta_info(file, whole.file_meta)
        file.write(deflated(buffer.getvalue() + pixels, blocks))
    return path


def nifti(root: Path, folder: Path, blocks: int, *, said: bool) -> Path:
    """A packed NIfTI whose header does, or does not, say how much it holds."""
    header = bytearray((root / "volume.nii").read_bytes())
    if said:
        side = int((blocks * BLOCK / 2) ** (1 / 3))
        struct.pack_into("<8h", header, 40, 3, side, side, side, 1, 1, 1, 1)
    path = folder / "packed.nii.gz"
    path.write_bytes(deflated(bytes(header), blocks, 31))
    return path


def nrrd(root: Path, folder: Path, blocks: int) -> Path:
    """A packed NRRD whose header says how much it holds."""
    header = (root / "out" / "segmentation.seg.nrrd").read_bytes().partition(b"\n\n")[0]
    side = int((blocks * BLOCK) ** (1 / 3))
    lines = header.split(b"\n")
    sizes = b"sizes: %d %d %d" % (side, side, side)
    lines = [sizes if line.startswith(b"sizes:") else line for line in lines]
    path = folder / "packed.seg.nrrd"
    path.write_bytes(b"\n".join(lines) + b"\n\n" + deflated(b"", blocks, 31))
    return path


def png(root: Path, folder: Path, blocks: int) -> Path:
    """A whole grey PNG of many pixels."""
    side = int((blocks * BLOCK) ** 0.5)
    row = b"\0" + bytes(side)
    packer = zlib.compressobj(1)
    pieces = [packer.compress(row * 64) for _ in range(min(side, 8192) // 64)] + [packer.flush()]
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", b"".join(pieces)),
        (b"IEND", b""),
    ]
    path = folder / "giant.png"
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def coco(root: Path, folder: Path, blocks: int) -> Path:
    """A run-length mask of a giant size."""
    path = folder / "coco.json"
    side = blocks * 1000
    path.write_text(
        '{"images": [{"id": 1, "slice": 0}], "categories": [{"id": 1, "name": "x"}],'
        '"annotations": [{"image_id": 1, "category_id": 1, "segmentation": '
        f'{{"size": [{side}, {side}], "counts": [{side * side}]}}}}]}}'
    )
    return path


def pipe(root: Path, folder: Path, blocks: int) -> Path:
    """A pipe that nobody writes into."""
    path = folder / ("scan.dcm", "scan.nii.gz", "scan.png", "edit.json")[blocks % 4]
    os.mkfifo(path)
    return path


def device(root: Path, folder: Path, blocks: int) -> Path:
    """A link to a file without an end."""
    path = folder / ("scan.dcm", "scan.nii", "labels.nrrd", "edit.json")[blocks % 4]
    path.symlink_to("/dev/zero")
    return path


BOMBS = {
    "dicom": dicom,
    "nifti": lambda *given: nifti(*given, said=True),
    "nifti-more": lambda *given: nifti(*given, said=False),
    "nrrd": nrrd,
    "png": png,
    "coco": coco,
    "pipe": pipe,
    "device": device,
}


def write_bomb(root: Path, folder: Path, rng: np.random.Generator) -> Path:
    """Write one, and give its path."""
    kind = list(BOMBS)[int(rng.integers(len(BOMBS)))]
    blocks = int(SIZES[int(rng.integers(len(SIZES)))]) + int(rng.integers(4))
    return BOMBS[kind](root, folder, blocks)
