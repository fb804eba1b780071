"""Decodes compressed pixel data with libraries under free licences, one for each kind.

pydicom knows them as a plug-in of its own, which first holds what a codestream says of its size
against the header: libraries written in C write past their memory where the two differ.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from PIL import features
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders import base, pillow
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    SecondaryCaptureImageStorage,
)

__all__ = ["DECODER_DEPENDENCIES", "PLUGIN", "add_decoders", "is_available"]

PLUGIN = "medcontour"
"""What pydicom calls these decoders."""

_WAVELETS = (JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
_BASELINE = (JPEGBaseline8Bit, JPEGExtended12Bit)
_BY_ITK = (JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless)

DECODER_DEPENDENCIES = {
    **dict.fromkeys((*_BASELINE, *_WAVELETS), ("pillow>=10", "SimpleITK>=2.3")),
    **dict.fromkeys(_BY_ITK, ("SimpleITK>=2.3",)),
}
"""Which packages a transfer syntax needs; pydicom asks for this name."""

# Markers of ISO 10918-1 and 14495-1: those of a frame, but for tables (C4, C8, CC), and JPEG-LS'.
_FRAMES = {0xC0 + n for n in range(16)} - {0xC4, 0xC8, 0xCC} | {0xF7}
# How a codestream of ISO 15444-1 starts (SOC, SIZ), and a JP2 file around one.
_SIZ = b"\xff\x4f\xff\x51"
_WAVELET_STARTS = (_SIZ, b"\x00\x00\x00\x0cjP  ")


def is_available(uid: str) -> bool:
    """Whether a transfer syntax can be decoded here; pydicom asks for this name."""
    if uid in _WAVELETS:
        return bool(features.check_codec("jpg_2000"))
    return uid in DECODER_DEPENDENCIES


def add_decoders() -> None:
    """Tell pydicom of these decoders, once."""
    for syntax in DECODER_DEPENDENCIES:
        decoder = base.get_decoder(syntax)
        if PLUGIN not in decoder.available_plugins:
            decoder.add_plugin(PLUGIN, (__name__, "_decode_frame"))


def _decode_frame(src: bytes, runner: base.DecodeRunner) -> bytes:
    """Decode one frame, as pydicom asks its plug-ins to."""
    said = _Said.of(src)
    if said is None or said.size != (runner.rows, runner.columns, runner.samples_per_pixel):
        raise ValueError("another size in the codestream than in the header")
    if not 0 < said.bits <= runner.bits_allocated:
        raise ValueError("more bits in the codestream than in the header")
    if runner.transfer_syntax in _WAVELETS:
        try:
            return pillow._decode_frame(src, runner)
        except Exception:  # Pillow raises anything; it has no colour of more than 8 bits
            return _by_itk(src, runner)
    if runner.transfer_syntax in _BASELINE and said.bits == 8:
        return pillow._decode_frame(src, runner)
    return _by_itk(src, runner)


class _Said(NamedTuple):
    """What a codestream says of itself: (rows, columns, samples), and bits of a sample."""

    size: tuple[int, int, int]
    bits: int

    @classmethod
    def of(cls, src: bytes) -> _Said | None:
        """Read it, None where it says nothing."""
        try:
            return cls._of_wavelets(src) if src.startswith(_WAVELET_STARTS) else cls._of_jpeg(src)
        except (struct.error, IndexError, ValueError):
            return None

    @classmethod
    def _of_wavelets(cls, src: bytes) -> _Said:
        """ISO 15444-1, A.5.1."""
        right, lower, left, upper = struct.unpack_from(">4I", src, start := src.index(_SIZ) + 8)
        (samples,) = struct.unpack_from(">H", src, start + 32)
        return cls((lower - upper, right - left, samples), (src[start + 34] & 0x7F) + 1)

    @classmethod
    def _of_jpeg(cls, src: bytes) -> _Said:
        """ISO 10918-1, B.2.2, and ISO 14495-1, C.2.2, which is laid out alike."""
        place = 2
        while src[place] == 0xFF and src[place + 1] not in _FRAMES:
            (length,) = struct.unpack_from(">H", src, place + 2)
            # Before a marker may stand any number of fill bytes.
            place += 1 if src[place + 1] == 0xFF else 2 + length
        bits, rows, columns, samples = struct.unpack_from(">BHHB", src, place + 4)
        return cls((rows, columns, samples), bits)


def _by_itk(src: bytes, runner: base.DecodeRunner) -> bytes:
    import SimpleITK as sitk  # takes a moment, and few files need it

    with tempfile.TemporaryDirectory(prefix="medcontour-") as folder:
        path = Path(folder) / "frame.dcm"
        _alone(src, runner).save_as(path, enforce_file_format=True)
        values = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    if values.size != runner.rows * runner.columns * runner.samples_per_pixel:
        raise ValueError("another size than rows and columns")
    if runner.samples_per_pixel == 3:
        runner.set_option("planar_configuration", 0)
        if runner.transfer_syntax in _WAVELETS:
            runner.set_option("photometric_interpretation", "RGB")
    return np.ascontiguousarray(values, dtype=runner.pixel_dtype).tobytes()


def _alone(src: bytes, runner: base.DecodeRunner) -> Dataset:
    """Make a data set of one frame, in which there is nothing of a patient."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = runner.transfer_syntax
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.Rows, dataset.Columns = runner.rows, runner.columns
    dataset.SamplesPerPixel = runner.samples_per_pixel
    # So that ITK converts no colours: pydicom does.
    dataset.PhotometricInterpretation = "RGB" if runner.samples_per_pixel == 3 else "MONOCHROME2"
    if runner.samples_per_pixel > 1:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored = runner.bits_allocated, runner.bits_stored
    dataset.HighBit = runner.bits_stored - 1
    dataset.PixelRepresentation = runner.pixel_representation
    dataset.PixelData = encapsulate([src])
    dataset["PixelData"].VR = "OB"
    return dataset
