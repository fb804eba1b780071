"""DICOM pixel data as the modality's values, and the window to show them in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, MPEGTransferSyntaxes, RLELossless

from medcontour.errors import MedcontourError
from medcontour.scan.claims import check_claim, check_room
from medcontour.scan.decoders import PLUGIN, add_decoders
from medcontour.scan.measured import Padding, padding
from medcontour.scan.quiet import muted

__all__ = [
    "PIXEL_KEYWORDS",
    "check_decoder",
    "decoded",
    "frame_values",
    "inversion",
    "numbers",
    "stored_window",
]

FloatVoxels = npt.NDArray[np.float32]

add_decoders()

_EACH = 14
"""Bytes that a value takes while a frame is decoded: stored, rescaled in double, and as float."""

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

# Soft tissue, in Hounsfield units.
_CT_WINDOW = (-160.0, 240.0)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Give an attribute's numbers, none where it is absent or empty.

    Raises
    ------
    ValueError or TypeError
        When it holds anything else.
    """
    value = dataset.get(keyword)
    if value is None or value == "":
        return ()
    several = isinstance(value, (MultiValue, list, tuple))
    return tuple(float(item) for item in (value if several else (value,)))


def check_decoder(syntax: UID, name: str) -> None:
    """Refuse pixel data that nothing installed here can decode, before any is read.

    Raises
    ------
    MedcontourError
        With the transfer syntax (0002,0010) and what to install or how to convert.
    """
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise MedcontourError(
            f"{name} is stored as {syntax.name}, for which no decoder is installed; "
            f"{_remedy(syntax)}"
        )


def _remedy(syntax: UID) -> str:
    """Say what to install, where a decoder of pydicom's would do; else what else to do."""
    if syntax in MPEGTransferSyntaxes:
        return "export single frames of the video as images, for example with ffmpeg."
    try:
        get_decoder(syntax)
    except NotImplementedError:
        return "decompress it where it came from, or with gdcmconv --raw IN OUT."
    return (
        "install those that this package names (pip install SimpleITK pillow), or "
        "decompress the file, for example with gdcmconv --raw IN OUT."
    )


def frame_values(
    dataset: Dataset, frame: int | None, groups: Dataset, name: str
) -> tuple[FloatVoxels, Padding | None]:
    """Decode one frame, (rows, columns) or (rows, columns, 3).

    Grey values are the modality's own: after RescaleSlope (0028,1053) and RescaleIntercept
    (0028,1052) or the Modality LUT. Colour of any kind (RGB, YBR, palette) becomes RGB from 0 to
    255. With them comes what the header calls padding, None where it calls nothing so.

    Parameters
    ----------
    dataset
        A whole data set.
    frame
        The index of the frame from 0; None for an object of one frame.
    groups
        Where the rescale is: the data set itself, or the frame's Pixel Value Transformation.
    name
        What to call it in a message.

    Raises
    ------
    MedcontourError
        When there is no pixel data or when it is damaged.
    """
    if not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
        raise MedcontourError(
            f"{name} holds no pixel data: it is truncated or was stripped; fetch it again."
        )
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    try:
        stored = decoded(dataset, name, frame)
        if photometric == "PALETTE COLOR":
            stored = apply_color_lut(stored, dataset)
            bits = 8 * stored.dtype.itemsize
        else:
            bits = int(dataset.get("BitsStored", 8))
        if stored.ndim == 3 and stored.shape[-1] == 3:
            return stored.astype(np.float32) * np.float32(255.0 / (2**bits - 1)), None
        if stored.ndim != 2:
            raise ValueError("neither grey nor colour")
        return _rescaled(stored, groups), padding(stored, dataset)
    except MedcontourError:
        raise
    except Exception as error:  # Decoders raise anything at damaged data.
        raise MedcontourError(
            f"{name} has pixel data that cannot be decoded: it is damaged or truncated; fetch it "
            "again, or have another tool write it (gdcmconv --raw IN OUT)."
        ) from error


def decoded(dataset: Dataset, name: str, frame: int | None = None) -> npt.NDArray[Any]:
    """Decode pixel data, unless they claim to be more than they can be.

    RLE is left to pydicom's own decoder, also where another is installed: pylibjpeg's ends the
    process' work with a panic, which is no ``Exception``, where rows and columns are not those
    that were packed.

    Parameters
    ----------
    dataset
        A whole data set.
    name
        What to call it in a message.
    frame
        The index of the frame from 0; None for all of them together.

    Raises
    ------
    MedcontourError
        When its rows, columns, samples and frames are more than its bytes can hold.
    Exception
        Whatever the decoders raise at damaged data.
    """
    stored = sum(len(dataset.get(keyword) or b"") for keyword in PIXEL_KEYWORDS)
    values = int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0)
    values *= int(dataset.get("SamplesPerPixel") or 1)
    values *= int(dataset.get("NumberOfFrames") or 1) if frame is None else 1
    check_claim(values, stored, name)
    check_room(values, _EACH, name)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    plugin = "pydicom" if syntax == RLELossless else PLUGIN if syntax.is_encapsulated else ""
    with muted():
        return pixel_array(dataset, index=frame, decoding_plugin=plugin)


def _rescaled(stored: npt.NDArray[Any], groups: Dataset) -> FloatVoxels:
    if groups.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(stored, groups), dtype=np.float32)
    slope, intercept = groups.get("RescaleSlope"), groups.get("RescaleIntercept")
    values = stored.astype(np.float64)
    if slope is not None:
        values *= float(slope)
    if intercept is not None:
        values += float(intercept)
    return values.astype(np.float32)


def inversion(dataset: Dataset, groups: Dataset) -> float:
    """Give what the values of a MONOCHROME1 frame are taken from to turn them round.

    The stored pixels' range, ``(2 ** BitsStored - 1) - stored`` and ``-1 - stored`` where they
    are signed, after the rescale or the Modality LUT: the same for every image of a kind,
    whatever is in it.

    Examples
    --------
    >>> header = Dataset()
    >>> header.BitsStored, header.PixelRepresentation = 12, 0
    >>> inversion(header, header)
    4095.0
    """
    for lut in groups.get("ModalityLUTSequence") or ():
        return float(2 ** int(lut.LUTDescriptor[2]) - 1)
    ends = -1.0 if dataset.get("PixelRepresentation") else 2.0 ** int(dataset.BitsStored) - 1.0
    slope, intercept = groups.get("RescaleSlope"), groups.get("RescaleIntercept")
    return ends * float(1 if slope is None else slope) + 2 * float(intercept or 0)


def stored_window(groups: Dataset, modality: str) -> tuple[float, float] | None:
    """(lower, upper) from WindowCenter (0028,1050) and WindowWidth (0028,1051), or None.

    The first of several windows. For the VOI LUT function LINEAR the ends are those of DICOM
    PS3.3 C.11.2.1.2.1. A CT without a window gets that of soft tissue.
    """
    try:
        center, width = numbers(groups, "WindowCenter")[0], numbers(groups, "WindowWidth")[0]
    except (TypeError, ValueError, IndexError):
        return _CT_WINDOW if modality == "CT" else None
    if groups.get("VOILUTFunction", "LINEAR") in ("LINEAR", "", None):
        center, width = center - 0.5, width - 1.0
    if not width > 0:
        return None
    return center - width / 2, center + width / 2
