"""Ways to damage a file: of any kind, by its bytes; and by what each format means."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zlib
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

Rng = np.random.Generator

HUGE = (2**31 - 1, 2**32 - 1, 65535, 10**9, 2**62, 10**30)
VALUES: tuple[Any, ...] = (
    None,
    True,
    float("nan"),
    float("inf"),
    1e308,
    -1e308,
    -1,
    0,
    0.5,
    10**400,
    *HUGE,
    "",
    "x",
    "\x00\n\u202e",
    "y" * 5000,
    [],
    {},
    [[]],
    [None],
    [[1, 2], [3]],
    [["a"]],
)


def pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def damage_bytes(data: bytes, rng: Rng) -> bytes:
    """Truncate; flip; overwrite by zeros, ones or noise; insert, delete, repeat, exchange."""
    if not data:
        return b"\x00"
    out = bytearray(data)
    if rng.random() < 0.3:  # one byte: what is left is whole enough to be taken seriously
        out[int(rng.integers(len(out)))] ^= 1 << int(rng.integers(8))
        return bytes(out)
    for _ in range(int(rng.integers(1, 4))):
        n = len(out)
        # Headers stand at the beginning: half of the damage is done there.
        at = int(rng.integers(min(n, 600) if rng.random() < 0.5 else n)) if n else 0
        size = int(min(2 ** rng.integers(0, 10), n - at))
        match int(rng.integers(9)):
            case 0:
                del out[at:]
            case 1:
                for place in rng.integers(0, n, int(rng.integers(1, 12))) if n else ():
                    out[place] ^= 1 << int(rng.integers(8))
            case 2:
                out[at : at + size] = bytes(size)
            case 3:
                out[at : at + size] = b"\xff" * size
            case 4:
                out[at : at + size] = rng.bytes(size)
            case 5:
                out[at:at] = rng.bytes(int(rng.integers(1, 64)))
            case 6:
                del out[at : at + size]
            case 7:
                out[at:at] = out[at : at + size]
            case 8:
                out[at : at + 4] = struct.pack("<I", pick(rng, HUGE) % 2**32)
    return bytes(out)


def damage_dicom(data: bytes, rng: Rng) -> bytes:
    """Give elements hostile values or another VR, remove or repeat them, at any depth."""
    dataset, out = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
    places = _datasets(dataset)
    try:
        for _ in range(int(rng.integers(1, 3))):
            _damage_element(pick(rng, places), rng)
        dataset.save_as(out, enforce_file_format=False)
    except Exception:  # what is already damaged may not be damaged again, or not be written
        return damage_bytes(data, rng)
    return out.getvalue()


def _datasets(dataset: Dataset) -> list[Dataset]:
    found = [dataset] * 6 + [dataset.file_meta]
    waiting = [dataset]
    while waiting:
        for element in waiting.pop():
            if element.VR == "SQ":
                found += element.value
                waiting += element.value
    return found


_NUMBERS = (
    [b"\xff\xff", b"\x00\x00", b"\x01\x00", b"\xff\x7f"],
    [b"\xff\xff\xff\xff", bytes(4), b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f"],
)
_TEXTS = (
    b"",
    b"nan ",
    b"inf ",
    b"-1",
    b"0 ",
    b"1e308 ",
    b"-1e308",
    b"2147483647",
    b"99999999999999999999",
    b"x ",
    b"1\\2\\3\\4\\5\\6\\7 ",
    b"nan\\nan\\nan ",
    b"0\\0\\0\\0\\0\\0 ",
    b"1e20\\1e20\\1e20",
    b"\\\\\\\\",
    b"\xff\xfe\x00\x80",
    b"SEG ",
    b"RTSTRUCT",
    b"FRACTIONAL",
    b"PALETTE COLOR ",
    b"YBR_FULL",
    b"MONOCHROME1 ",
    b"1.2.840.10008.1.2.1.99",
    b"1.2.840.10008.1.2.4.90",
    b"1.2.840.10008.1.2.5 ",
)


def _damage_element(dataset: Dataset, rng: Rng) -> None:
    tags = list(dataset.keys())
    if not tags:
        return
    tag = pick(rng, tags)
    element = dataset[tag]
    vr = str(element.VR)
    match int(rng.integers(5)):
        case 0:
            del dataset[tag]
            return
        case 1:
            vr = pick(rng, ["DS", "IS", "UI", "US", "FD", "LO", "OB", "SQ", "UN", "AT", "PN"])
            raw = pick(rng, _TEXTS)
        case 2 if element.VR == "SQ":
            items = list(element.value)
            dataset[tag] = DataElement(
                tag, "SQ", pick(rng, [items[:-1], [], [Dataset()], items * 2])
            )
            return
        case _:
            if vr == "SQ":
                return
            wide = vr in ("UL", "SL", "FL", "FD", "OW", "OB")
            numeric = vr in ("US", "SS", "UL", "SL", "FL", "FD", "OB", "OW")
            raw = (
                pick(rng, _NUMBERS[wide]) * (2 if vr == "FD" else 1)
                if numeric
                else pick(rng, _TEXTS)
            )
    dataset[tag] = RawDataElement(Tag(tag), vr, len(raw), raw, 0, False, True, True)


def damage_nifti(data: bytes, rng: Rng) -> bytes:
    """Give header fields hostile numbers, packed or not; or pack far more than is announced."""
    packed = data.startswith(b"\x1f\x8b")
    out = bytearray(gzip.decompress(data) if packed else data)
    for _ in range(int(rng.integers(1, 4))):
        match int(rng.integers(5)):
            case 0 | 1:  # dim, of which the first is their number
                at = 40 + 2 * int(rng.integers(8))
                struct.pack_into(
                    "<h", out, at, pick(rng, (0, 1, 2, 3, 4, 7, -1, 32767, -32768, 99))
                )
            case 2:  # datatype, bitpix
                kind = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 1792, 2304, -3)
                struct.pack_into("<h", out, 70, pick(rng, kind))
            case 3:  # pixdim, vox_offset, slope, intercept, quaternion, offsets, sform
                place = pick(rng, [*range(76, 120, 4), *range(256, 328, 4)])
                value = pick(rng, (np.nan, np.inf, 0, -1, 1e38, 1e-38, 1e9, -1e30))
                struct.pack_into("<f", out, place, value)
            case 4:  # form codes, units, magic
                place = pick(rng, (123, 252, 254, 344, 345, 346))
                out[place] = int(rng.integers(256))
    if packed and rng.random() < 0.1:
        out += bytes(2**26)
    return gzip.compress(bytes(out), 6, mtime=0) if packed else bytes(out)


def damage_nrrd(data: bytes, rng: Rng) -> bytes:
    """Give header fields hostile texts and numbers, remove, repeat or add them; or pack a bomb."""
    header, _, body = data.partition(b"\n\n")
    lines = header.split(b"\n")
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(1, len(lines))) if len(lines) > 1 else 0
        match int(rng.integers(5)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, pick(rng, lines))
            case 2:
                found = list(re.finditer(rb"-?\d+(\.\d+)?", lines[at]))
                if found:
                    spot = pick(rng, found)
                    value = pick(
                        rng, (b"0", b"-1", b"nan", b"inf", b"1e308", b"99999", b"2147483647")
                    )
                    lines[at] = lines[at][: spot.start()] + value + lines[at][spot.end() :]
            case 3:
                name, colon, _ = lines[at].partition(b":")
                lines[at] = name + colon + b" " + pick(rng, _NRRD_VALUES)
            case 4:
                lines.insert(at, pick(rng, _NRRD_LINES))
        if not lines:
            break
    if rng.random() < 0.1 and b"gzip" in header:
        body = gzip.compress(zlib.decompress(body, 47) + bytes(2**28), 6)
    return b"\n".join(lines) + b"\n\n" + body


_NRRD_VALUES = (
    b"",
    b"none",
    b"nan nan nan",
    b"(0,0,0) (0,0,0) (0,0,0)",
    b"(1,0) (0,1)",
    b"none none none",
    b"(nan,nan,nan)",
    b"60000 60000 60000",
    b"-3 4 5",
    b"double",
    b"block",
    b"raw",
    b"text",
    b"bzip2",
    b"hex",
    b"scanner-xyz",
    b"16",
    b"0",
    b"abc",
    b"\xff\xfe",
)
_NRRD_LINES = (
    b"data file: /dev/zero",
    b"data file: LIST",
    b"data file: x%09d.raw 0 999999999 1",
    b"data file: ../../../etc/hostname",
    b"line skip: 1000000000",
    b"byte skip: -1",
    b"byte skip: 999999999",
    b"block size: 9",
    b"Segment0_Layer:=99",
    b"Segment0_LabelValue:=-5",
    b"Segment7_ID:=x",
    b"Segment0_Layer:=x",
    b"a:=b:=c",
    b"nonsense",
)


def damage_json(data: bytes, rng: Rng, *, values: tuple[Any, ...] = VALUES) -> bytes:
    """Replace values, remove keys, repeat items, nest deeply; numbers that JSON does not have."""
    document = json.loads(data)
    if rng.random() < 0.03:
        depth = int(pick(rng, (900, 20_000, 100_000)))
        pair = pick(rng, (("[", "]"), ('{"a":', "}")))
        deep = pair[0] * depth + "1" + pair[1] * depth
        document[pick(rng, list(document))] = "DEEP"
        return json.dumps(document).replace('"DEEP"', deep).encode()
    for _ in range(int(rng.integers(1, 4))):
        box: Any = document
        while True:
            keys = list(box) if isinstance(box, dict) else list(range(len(box)))
            if not keys:
                break
            boxes = [k for k in keys if isinstance(box[k], (dict, list)) and box[k]]
            key = pick(rng, boxes if boxes and rng.random() < 0.6 else keys)
            inner = box[key]
            if isinstance(inner, (dict, list)) and inner and rng.random() < 0.95:
                box = inner
                continue
            match int(rng.integers(6)):
                case 0:
                    del box[key]
                case 1 if isinstance(box, list):
                    box.append(inner)
                case 2 if isinstance(inner, (int, float)) and not isinstance(inner, bool):
                    box[key] = inner * float(pick(rng, (-1, 1e-9, 1e6, 1e300, 1.5)))
                case _:
                    box[key] = pick(rng, values)
            break
    return json.dumps(document).encode()


def damage_picture(data: bytes, rng: Rng) -> bytes:
    """Give a picture's header other sizes, with checksums that hold; or damage its bytes."""
    out = bytearray(data)
    size = int(pick(rng, (0, 1, 3, 20_000, 65_535, 2**31 - 1)))
    if data.startswith(b"\x89PNG") and rng.random() < 0.25:  # whole, with other pixels
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.array(image)
        for _ in range(int(rng.integers(1, 4))):
            row, column, side = (int(n) for n in rng.integers(0, 30, 3))
            pixels[row : row + side, column : column + side] = int(rng.integers(256))
        changed = io.BytesIO()
        Image.fromarray(pixels).save(changed, "png")
        return changed.getvalue()
    if data.startswith(b"\x89PNG") and rng.random() < 0.6:
        struct.pack_into(">I", out, 16 + 4 * int(rng.integers(2)), size)
        if rng.random() < 0.4:
            out[24] = int(pick(rng, (1, 2, 4, 8, 16, 99)))
            out[25] = int(pick(rng, (0, 2, 3, 4, 6, 99)))
        struct.pack_into(">I", out, 29, zlib.crc32(bytes(out[12:29])))
        return bytes(out)
    if data.startswith(b"\xff\xd8") and rng.random() < 0.5:
        at = next(
            (i for i in range(len(out) - 9) if out[i] == 0xFF and out[i + 1] in (0xC0, 0xC2)), -9
        )
        if at > 0:
            struct.pack_into(">H", out, at + 5 + 2 * int(rng.integers(2)), size % 65536)
            return bytes(out)
    if data.startswith(b"II*") and rng.random() < 0.7:
        first = struct.unpack_from("<I", out, 4)[0]
        count = struct.unpack_from("<H", out, first)[0]
        for _ in range(int(rng.integers(1, 3))):
            entry = first + 2 + 12 * int(rng.integers(count))
            if rng.random() < 0.7:
                struct.pack_into("<I", out, entry + 8, size)
            else:
                struct.pack_into("<H", out, entry + 2, int(rng.integers(0, 14)))
        return bytes(out)
    return damage_bytes(data, rng)
