"""Files that are small and unpack to much, valid giants, and what is no file: pipes and devices."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import torch
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


def coco_masks(root: Path, folder: Path, blocks: int) -> Path:
    """Many masks of the scan's own size, a few letters each."""
    written = json.loads((root / "out" / "coco.json").read_text())
    image = written["images"][0]
    drawn = {"size": [image["height"], image["width"]]}
    drawn["counts"] = [image["height"] * image["width"]]
    item = {"image_id": image["id"], "category_id": 1, "segmentation": drawn}
    path = folder / "masks.json"
    path.write_text(json.dumps(written | {"annotations": [item] * 100 * blocks}))
    return path


def run_length(root: Path, folder: Path, blocks: int) -> Path:
    """One run length of a million letters: a number without end."""
    written = json.loads((root / "out" / "coco.json").read_text())
    image = written["images"][0]
    drawn = {"size": [image["height"], image["width"]], "counts": "o" * blocks * 10_000 + "1"}
    written["annotations"][0]["segmentation"] = drawn
    path = folder / "run.json"
    path.write_text(json.dumps(written))
    return path


def sparse(root: Path, folder: Path, blocks: int) -> Path:
    """A whole file that goes on and on, and takes no room on the disk."""
    names = ("volume.nii", "model.pt", "out/segmentation.seg.nrrd", "out/seg.dcm", "out/coco.json")
    source = root / names[blocks % len(names)]
    path = folder / source.name
    shutil.copyfile(source, path)
    os.truncate(path, blocks * BLOCK * 64)
    return path


def weights(root: Path, folder: Path, blocks: int) -> Path:
    """A bundle whose archive of weights packs gigabytes of zeros."""
    path = _bundle(root, folder)
    place = path / "models" / "model.pt"
    with (
        zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("model/data.pkl", "w", force_zip64=True) as entry,
    ):
        for _ in range(min(blocks, 40)):
            entry.write(bytes(BLOCK))
    return path


def shared_states(root: Path, folder: Path, blocks: int) -> Path:
    """A checkpoint of few bytes whose dictionaries hold one another, a billion in all."""
    path = _bundle(root, folder)
    inside: dict[str, object] = {"x": 1}
    for _ in range(4):
        inside = {str(key): inside for key in range(blocks * 4)}
    torch.save(inside, path / "models" / "model.pt")
    return path


def safetensors(root: Path, folder: Path, blocks: int) -> Path:
    """A header that is said to be, or says that its tensors are, larger than the file."""
    path = _bundle(root, folder)
    side = blocks * 1000
    head = {"smooth.weight": {"dtype": "F32", "shape": [side, side], "data_offsets": [0, 100]}}
    text = json.dumps(head).encode()
    size = len(text) if blocks % 2 else 2**40
    place = path / "models" / "model.safetensors"
    place.write_bytes(struct.pack("<Q", size) + text + bytes(100))
    return path


def aliases(root: Path, folder: Path, blocks: int) -> Path:
    """A configuration in YAML whose lists repeat lists, a billion times."""
    path = _bundle(root, folder)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 10):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    (path / "configs" / "inference.json").unlink()
    lines.append("network_def: *a9\npostprocessing: *a9\n")
    (path / "configs" / "inference.yaml").write_text("\n".join(lines))
    return path


def nested(root: Path, folder: Path, blocks: int) -> Path:
    """A configuration that nests as deep as JSON is read."""
    path = _bundle(root, folder)
    deep = "[" * (blocks // 2) + "]" * (blocks // 2)
    (path / "configs" / "inference.json").write_text(f'{{"postprocessing": {deep}}}')
    return path


def pipe_inside(root: Path, folder: Path, blocks: int) -> Path:
    """A bundle in which a pipe stands for one of its files."""
    path = _bundle(root, folder)
    places = ("configs/metadata.json", "configs/inference.json", "models/model.pt", "model.ts")
    place = path / places[blocks % 4]
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    return place if blocks % 4 == 3 else path


def _bundle(root: Path, folder: Path) -> Path:
    return Path(shutil.copytree(root / "spot_bundle", folder / "bundle"))


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
    "coco-masks": coco_masks,
    "run-length": run_length,
    "sparse": sparse,
    "weights": weights,
    "shared-states": shared_states,
    "safetensors": safetensors,
    "aliases": aliases,
    "nested": nested,
    "pipe-inside": pipe_inside,
    "pipe": pipe,
    "device": device,
}


def write_bomb(root: Path, folder: Path, rng: np.random.Generator) -> Path:
    """Write one, and give its path."""
    kind = list(BOMBS)[int(rng.integers(len(BOMBS)))]
    blocks = int(SIZES[int(rng.integers(len(SIZES)))]) + int(rng.integers(4))
    return BOMBS[kind](root, folder, blocks)
