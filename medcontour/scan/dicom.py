"""DICOM series and single images, placed in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.scan.claims import check_room
from medcontour.scan.headers import ImageFile, damaged, open_dicom, text
from medcontour.scan.measured import Padding, measured_voxels
from medcontour.scan.pieces import Piece, pieces_of, set_apart
from medcontour.scan.pixels import (
    PIXEL_KEYWORDS,
    check_decoder,
    frame_values,
    inversion,
    stored_window,
)
from medcontour.scan.places import at_the_detector, flat_stack, plane_of
from medcontour.scan.quiet import quietly
from medcontour.scan.scan import FileGrid, Scan
from medcontour.scan.series import chosen_series
from medcontour.scan.stack import stack_planes
from medcontour.scan.values import grey_where_equal, spread_window

__all__ = ["read_dicom"]

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

# Modalities whose values are physical quantities, which an inversion would falsify.
_QUANTITIES = ("CT", "PT")

_IMAGE_GROUP = 0x0028

_EACH = 6
"""Bytes that a value of a series takes: as float, and where it was measured."""


def read_dicom(path: Path, series: str | None = None) -> Scan:
    """Read one DICOM series of single-frame or enhanced multi-frame images, or one file of it.

    Headers are read first and pixel data only of the chosen series, so that nothing is read
    twice. Slices are sorted by their position along their normal (not by InstanceNumber) and keep
    the rows and columns of the acquisition. Missing and uneven slices are accepted (`regular` is
    False, every slice keeps its own origin), a tilted gantry as well (the affine is sheared).

    Values are the modality's (see `frame_values`). MONOCHROME1, where low values are bright, is
    turned round within the range of its bits (``(2 ** BitsStored - 1) - stored``) except for CT
    and PET, whose values are quantities, so that classifier and display see the usual polarity.
    Padding (PixelPaddingValue, PixelPaddingRangeLimit) and values that no scanner gives are left
    out of `Scan.measured`.

    An image without ImagePositionPatient (a radiograph, plain ultrasound) is read by itself: its
    size comes from PixelSpacing, ImagerPixelSpacing or the ultrasound region's calibration, its
    affine is then diag(column spacing, row spacing, 1, 1), in no frame of reference; without any
    of them `units` is ``"pixel"`` and the shape of a pixel that of PixelAspectRatio.

    Parameters
    ----------
    path
        A folder, searched with its subfolders, or one file.
    series
        The SeriesInstanceUID (0020,000E) to read where there are several.

    Raises
    ------
    MedcontourError
        When there is no image; several series and none chosen; a file that is damaged or that
        nothing here can decode; slices that differ in size, orientation, spacing or frame of
        reference; two slices at one place; several frames without a place each; values that are
        not finite or the same everywhere.
    """
    with quietly():
        files, left = chosen_series(path, series)
        slices, odd = set_apart(pieces_of(files))
        return _read_slices(slices, path, left + odd)


def _read_slices(slices: Sequence[Piece], path: Path, left: tuple[str, ...]) -> Scan:
    if len({str(piece.file.header.get("PhotometricInterpretation")) for piece in slices}) > 1:
        raise MedcontourError(
            f"{slices[0].name} and other images of its series differ in their photometric "
            "interpretation (colour, greyscale); put those that belong together into a folder of "
            "their own."
        )
    for syntax_file in {piece.file.syntax: piece.file for piece in slices}.values():
        check_decoder(syntax_file.syntax, syntax_file.path.name)
    placed = [piece for piece in slices if piece.groups.get("ImagePositionPatient")]
    if placed and len(placed) < len(slices):
        bare = next(piece for piece in slices if piece not in placed)
        raise MedcontourError(
            f"{path} mixes slices with and without ImagePositionPatient ({bare.name} has "
            "none); put those that belong together into a folder of their own."
        )
    if len(slices) == 1 and at_the_detector(slices[0]):
        placed = []
    units: Literal["mm", "pixel"] = "mm"
    if placed:
        stack = stack_planes([plane_of(piece) for piece in slices], str(path))
    else:
        if len(slices) > 1:
            raise MedcontourError(
                f"{path} holds {len(slices)} images of one series without a position in the "
                "patient (ImagePositionPatient); give one of the files, for example "
                f"{slices[0].name}."
            )
        stack, units = flat_stack(slices[0])
    ordered = [slices[index] for index in stack.order]
    first = ordered[0].file
    voxels, datasets, window, padded, inverted = _read(ordered)
    voxels, measured, fillings = measured_voxels(voxels, str(path), first.modality, padded)
    if window is None or window[1] < voxels.min() or window[0] > voxels.max():
        window = spread_window(voxels, measured)
    shape = (voxels.shape[2], voxels.shape[1], voxels.shape[0])
    frame_of_reference = text(first.header, "FrameOfReferenceUID") if placed else None
    return Scan(
        voxels=voxels,
        affine_lps=stack.affine_lps,
        slice_origins_lps=stack.slice_origins_lps,
        units=units,
        modality=first.modality,
        source=str(path.resolve()),
        window=window,
        grid=FileGrid(shape, _RAS @ stack.affine_lps, (2, 1, 0), (False, False, False)),
        regular=stack.regular,
        study_instance_uid=text(first.header, "StudyInstanceUID"),
        series_instance_uid=text(first.header, "SeriesInstanceUID"),
        frame_of_reference_uid=frame_of_reference,
        sop_instance_uids=tuple(
            text(piece.file.header, "SOPInstanceUID") or "" for piece in ordered
        ),
        datasets=datasets,
        slice_axes_lps=stack.slice_axes_lps,
        frame_numbers=tuple(piece.frame + 1 for piece in ordered if piece.frame is not None),
        measured=measured,
        notes=left + stack.notes + inverted + fillings,
    )


def _read(
    ordered: Sequence[Piece],
) -> tuple[
    npt.NDArray[np.float32],
    tuple[Dataset, ...],
    tuple[float, float] | None,
    Padding | None,
    tuple[str, ...],
]:
    """Read the values of slices in their order, their headers, the window and the padding.

    The window is the middle slice's, None where none is stored; the notes say whether values were
    turned round.
    """
    notes: tuple[str, ...] = ()
    padded: list[Padding | None] = []
    voxels: npt.NDArray[np.float32] | None = None
    datasets: list[Dataset] = []
    window: tuple[float, float] | None = None
    whole, path = Dataset(), None
    for index, piece in enumerate(ordered):
        if piece.file.path != path:
            _strip(whole)
            path = piece.file.path
            whole = _whole(path)
        groups = whole if piece.frame is None else piece.groups
        values, padding = frame_values(whole, piece.frame, groups, piece.name)
        padded.append(padding)
        total = None
        if _inverted(piece.file) and values.ndim == 2:
            values, total = _turn_round(values, whole, groups, piece.name)
            notes = (
                "The greyscale is stored inverted (MONOCHROME1); values are turned round as "
                f"{total:g} - value.",
            )
        if voxels is None:
            check_room(len(ordered) * values.size, _EACH, f"The series of {piece.name}")
            voxels = np.empty((len(ordered), *values.shape), dtype=np.float32)
        if values.shape != voxels.shape[1:]:
            raise MedcontourError(
                f"{piece.name} holds pixels of another shape than the other slices; put those "
                "that belong together into a folder of their own."
            )
        voxels[index] = values
        if index == len(ordered) // 2:
            window = stored_window(groups, piece.file.modality)
            if window is not None and total is not None:
                window = total - window[1], total - window[0]
        datasets.append(whole)
    _strip(whole)
    assert voxels is not None
    if voxels.ndim == 4:
        voxels, window = grey_where_equal(voxels), spread_window(voxels)
    return voxels, tuple(datasets), window, Padding.of_scan(padded), notes


def _whole(path: Path) -> Dataset:
    """Read a file whole; what of its header cannot be understood is left out."""
    try:
        dataset = open_dicom(path)
    except MedcontourError:
        raise
    except Exception as error:  # pydicom raises anything at damaged files.
        raise damaged(path) from error
    for tag in [tag for tag in dataset.keys() if not tag.is_private]:  # noqa: SIM118
        try:
            dataset[tag]  # parses it now: later it would warn with the value, or fail
        except Exception as error:
            if tag.group == _IMAGE_GROUP:  # decides what the pixels mean
                raise damaged(path) from error
            del dataset[tag]
    return dataset


def _strip(dataset: Dataset) -> None:
    for keyword in PIXEL_KEYWORDS:
        if keyword in dataset:
            del dataset[keyword]


def _inverted(file: ImageFile) -> bool:
    """Whether low values are bright, and no quantities that an inversion would falsify."""
    monochrome1 = str(file.header.get("PhotometricInterpretation")) == "MONOCHROME1"
    return monochrome1 and file.modality not in _QUANTITIES


def _turn_round(
    values: npt.NDArray[np.float32], whole: Dataset, groups: Dataset, name: str
) -> tuple[npt.NDArray[np.float32], float]:
    """Turn the values of a MONOCHROME1 frame round; give them and what they were taken from."""
    try:
        total = inversion(whole, groups)
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise MedcontourError(
            f"{name} is stored inverted (MONOCHROME1) and does not say in how many bits "
            "(BitsStored); export it again."
        ) from error
    return np.float32(total) - values, total
