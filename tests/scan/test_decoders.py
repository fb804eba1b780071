"""Compressed pixel data: each kind against other decoders, and what damaged ones may not do."""

from __future__ import annotations

import base64
import os
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)
from scan_files import slice_dataset, volume, write

from medcontour.errors import MedcontourError
from medcontour.scan import read_scan
from medcontour.scan.pixels import decoded
from medcontour.scan.quiet import muted

# 37 i mod 4096 of 6 x 7 pixels i, 16 bits, by OpenJPH 0.26.
RAMP = (np.arange(42).reshape(6, 7) * 37 % 4096).astype(np.uint16)
HIGH_THROUGHPUT = base64.b64decode(
    "/0//UQApQAAAAAAHAAAABgAAAAAAAAAAAAAABwAAAAYAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB"
    "/1wAEyCIkJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAE0AAf+TwAAmKfsFB3QA"
    "AADAABLAABMATAGHdACY+AMHdADAABNAABMAEskBAnQA/38AAjQAoAAVYAQSSCCBwEIBvrYA/9k="
)


def stored(codestream: bytes, syntax: str, like: np.ndarray = RAMP) -> Dataset:
    dataset = slice_dataset(like)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([codestream])
    dataset["PixelData"].VR = "OB"
    return dataset


@pytest.mark.parametrize("syntax", [HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL])
def test_high_throughput_jpeg_2000(tmp_path: Path, syntax: str) -> None:
    path = write(stored(HIGH_THROUGHPUT, syntax), tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_scan(path).voxels[0], RAMP)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_jpeg_of_12_bits_equals_itks_reading_of_the_whole_file(
    shared_data: Path, name: str
) -> None:
    path = shared_data / "dicom" / "pydicom" / name
    values = decoded(pydicom.dcmread(path), name)
    np.testing.assert_array_equal(values, sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0])
    assert values.max() > 255


@pytest.mark.parametrize(
    ("syntax", "other"), [(JPEG2000Lossless, "pylibjpeg"), (JPEGLSLossless, "pyjpegls")]
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_lossless_kinds_equal_another_decoder(syntax: str, other: str, kind: type) -> None:
    pixels = volume((40, 33)).astype(kind)
    dataset = slice_dataset(pixels)
    dataset.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(decoded(dataset, "a"), pixels)
    judge = pydicom.pixels.pixel_array(dataset, decoding_plugin=other)
    np.testing.assert_array_equal(judge, pixels)


def test_what_a_newcomer_needs_is_decoded_without_other_packages() -> None:
    """Every transfer syntax of still images has a decoder that this package brings."""
    kinds = (JPEGBaseline8Bit, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, HTJ2K)
    assert all("medcontour" in get_decoder(syntax).available_plugins for syntax in kinds)
    assert "pydicom" in get_decoder(RLELossless).available_plugins


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"])
@pytest.mark.parametrize("side", ["Rows", "Columns"])
def test_a_codestream_of_another_size_is_refused(tmp_path: Path, name: str, side: str) -> None:
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    setattr(dataset, side, dataset[side].value + 1)
    path = write(dataset, tmp_path / "a.dcm")
    with pytest.raises(MedcontourError, match="cannot be decoded"):
        read_scan(path)


def test_damaged_codestreams_write_nothing_to_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"):
        dataset = pydicom.dcmread(get_testdata_file(name, download=False))
        whole = get_frame(dataset.PixelData, 0, number_of_frames=1)
        for place in range(60, 160, 10):
            raw = bytearray(whole)
            raw[place : place + 5] = b"\xff\x93\x00\xff\x51"
            syntax = dataset.file_meta.TransferSyntaxUID
            with suppress(Exception):  # whatever a decoder raises
                decoded(stored(bytes(raw), syntax, volume((64, 64))), "a")
    assert capfd.readouterr() == ("", "")


def test_muted_holds_for_all_threads_and_ends(capfd: pytest.CaptureFixture[str]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with muted():
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=stay)
    thread.start()
    inside.wait(5)
    with muted():
        os.write(2, b"lost")
    os.write(2, b"lost as well: a thread is inside")
    leave.set()
    thread.join()
    os.write(2, b"kept")
    assert capfd.readouterr().err == "kept"
