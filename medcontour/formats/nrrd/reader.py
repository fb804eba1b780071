"""Reads NRRD label maps and 3D Slicer's ``.seg.nrrd``."""

from __future__ import annotations

import bz2
import math
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import nrrd
import numpy as np

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content
from medcontour.formats.place import volume_onto_scan
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited, FloatArray
from medcontour.formats.volumes import OFF_PLANE, read_volume, volume_shapes, whole_labels
from medcontour.scan import Scan
from medcontour.scan.claims import check_claim, check_room

__all__ = ["read", "reader", "recognises"]

BLOCK = 2**20
HEADER = 2**24
"""Bytes that are looked through for names; a segment's take a few hundred."""
_EACH = 24
"""Bytes that a value takes while it is read: unpacked, as stored, and as a whole number."""
_PACKED: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.decompressobj(47),
    "gzip": lambda: zlib.decompressobj(47),
    "bz2": bz2.BZ2Decompressor,
    "bzip2": bz2.BZ2Decompressor,
}
# What NRRD calls the spaces of patients, as signs that turn them into LPS.
_SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}


def recognises(content: Content) -> bool:
    """Whether a file begins as NRRD does."""
    return content.start.startswith(b"NRRD")


def read(path: Path, scan: Scan) -> Edited:
    """Read a ``.seg.nrrd`` of one or several layers, or a plain label map in NRRD.

    Segments are those of the header (``SegmentN_Name``, ``_LabelValue``, ``_Layer``); a map
    without them has its values alone. A volume cut to the segments' extent, as 3D Slicer saves
    it, lies where its own origin says.
    """
    _check_body(path)
    data, header = nrrd.read(str(path))
    # pynrrd drops what is not ASCII; 3D Slicer writes names in UTF-8.
    with path.open("rb") as file:
        start = file.read(HEADER)
    lines = start.split(b"\n\n", 1)[0].decode("utf-8", "replace").splitlines()
    header = header | {k: v for k, v in nrrd.read_header(iter(lines)).items() if "_Name" in k}
    data = np.asarray(data)
    affine, layers_axis = _nrrd_affine(header, path)
    segments = [key[: -len("_ID")] for key in header if re.fullmatch(r"Segment\d+_ID", key)]
    if not segments and layers_axis is None:
        return read_volume("NRRD label map", data, affine, {}, scan, path)
    data = whole_labels(data, path)
    layers = [data] if layers_axis is None else list(np.moveaxis(data, layers_axis, 0))
    found = [volume_onto_scan(layer, affine, scan, path) for layer in layers]
    placed = [volume for volume, _ in found]
    notes = () if all(in_plane for _, in_plane in found) else (OFF_PLANE,)
    if not segments:
        shapes = [shape for volume in placed for shape in volume_shapes(volume, {})]
        return Edited("NRRD label map", tuple(shapes), notes)
    shapes = []
    values = [int(header.get(f"{segment}_LabelValue", 1)) for segment in segments]
    for number, (segment, value) in enumerate(zip(segments, values, strict=True), start=1):
        volume = placed[int(header.get(f"{segment}_Layer", 0))]
        # Where layers share a value it no more says which segment it is: its place does.
        mark = value if len(set(values)) == len(values) else number
        shapes += volume_shapes(
            (volume == value) * np.uint32(mark), {mark: header.get(f"{segment}_Name", "")}
        )
    return Edited("3D Slicer segmentation", tuple(shapes), notes)


def _check_body(path: Path) -> None:
    """Refuse voxels that stand in other files, or that are not as many as the header says.

    pynrrd unpacks whatever is there, and reads whatever file a header names.
    """
    with path.open("rb") as file:
        header = nrrd.read_header(file)
        if any(key.replace(" ", "") == "datafile" for key in header):
            raise MedcontourError(
                f"{path} keeps its voxels in another file; save it as one file, with its voxels "
                "(.nrrd or .seg.nrrd)."
            )
        skipped = (int(header.get(f"{what} skip", 0)) for what in ("line", "byte"))
        if max(skipped) > path.stat().st_size:  # pynrrd would look for each of the lines
            raise MedcontourError(
                f"{path} has a header that skips more than the file holds; save it again."
            )
        values = math.prod(int(size) for size in header["sizes"])
        check_room(values, _EACH, str(path))
        encoding = str(header.get("encoding", "raw")).lower()
        if encoding not in _PACKED:
            check_claim(values, path.stat().st_size, str(path), 1)
            return
        # Eight bytes a value at most; what follows the voxels is counted with a lot to spare.
        wanted, there = 8 * max(values, 1) + BLOCK, 0
        for piece in _unpacked(file, _PACKED[encoding]()):
            there += len(piece)
            if there > wanted:
                break
    if there > wanted or values > there + BLOCK:
        raise MedcontourError(
            f"{path} holds another number of voxels than its header says: it is damaged or "
            "truncated; save it again."
        )


def _unpacked(file: BinaryIO, unpacker: Any) -> Iterator[bytes]:
    """Unpack the rest of a file, a piece at a time."""
    waiting = file.read(BLOCK)
    while waiting and not unpacker.eof:
        yield unpacker.decompress(waiting, BLOCK)
        waiting = getattr(unpacker, "unconsumed_tail", b"")
        while not getattr(unpacker, "needs_input", True) and not unpacker.eof:
            yield unpacker.decompress(b"", BLOCK)
        waiting = waiting or file.read(BLOCK)


def _nrrd_affine(header: dict[str, Any], path: Path) -> tuple[FloatArray, int | None]:
    """(4, 4) index to LPS mm of the three axes in space, and the axis of layers if any."""
    directions = np.asarray(header.get("space directions", np.eye(3)), dtype=np.float64)
    spatial = [i for i, row in enumerate(directions) if not np.isnan(row).any()]
    others = [i for i in range(int(header["dimension"])) if i not in spatial]
    signs = _SPACES.get(str(header.get("space", "lps")).lower())
    if len(spatial) != 3 or len(others) > 1 or signs is None:
        raise MedcontourError(
            f"{path} is no volume of three axes in LPS or RAS; save it again from 3D Slicer."
        )
    affine = np.eye(4)
    affine[:3, :3] = directions[spatial].T
    affine[:3, 3] = header.get("space origin", np.zeros(3))
    return np.diag([*signs, 1.0]) @ affine, others[0] if others else None


reader = Reader("nrrd", "a .seg.nrrd or an NRRD label map", recognises, read)
