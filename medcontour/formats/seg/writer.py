"""DICOM Segmentation (PS3.3 A.51) of the label masks, of all three types, by highdicom."""

from __future__ import annotations

from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from highdicom.color import CIELabColor
from highdicom.seg import (
    Segmentation,
    SegmentationFractionalTypeValues,
    SegmentationTypeValues,
    SegmentDescription,
)
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from medcontour.files import replacing
from medcontour.formats.dicom.header import (
    CHARACTER_SET,
    MANUFACTURER,
    algorithm_identification,
    discreetly,
    generation,
    lacking,
    odd_kind,
    series_description,
    series_number,
    sources,
    tracking_identifier,
)
from medcontour.formats.dicom.identity import object_uid, tracking_uid
from medcontour.formats.dicom.left_empty import left_empty
from medcontour.formats.dicom.text import carry_text
from medcontour.formats.labels import CATEGORY, TYPE, Label
from medcontour.formats.rasterise import Planes, label_coverage, label_masks
from medcontour.results.exporter import Exporter, NothingToWrite, on_request
from medcontour.results.model import Suggestion
from medcontour.results.parts import ObjectReference
from medcontour.scan.scan import Scan

__all__ = [
    "exporter",
    "fractional_exporter",
    "labelmap_exporter",
    "segments_by_name",
    "write",
    "write_fractional",
    "write_labelmap",
]

_NAMES = {
    SegmentationTypeValues.BINARY: "seg",
    SegmentationTypeValues.LABELMAP: "seg-labelmap",
    SegmentationTypeValues.FRACTIONAL: "seg-fractional",
}
_SERIES_NUMBERS = {kind: number for number, kind in enumerate(_NAMES, start=2)}

# Kinds of image for which DICOM demands a frame of reference; others go pixel for pixel.
_PLACED = ("CT", "MR", "PT")


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``seg.dcm``: a BINARY segmentation, one segment a finding, empty frames left out.

    An image without a frame of reference (a plain radiograph) is segmented pixel for pixel, as
    the standard allows for a single image.

    Raises
    ------
    NothingToWrite
        When no label has a pixel.
    """
    masks = _some(label_masks(suggestion, scan))
    _save(SegmentationTypeValues.BINARY, masks, suggestion, scan, path)


class Segment(NamedTuple):
    """A structure's segment in ``seg.dcm``: its number there, and its masks by slice."""

    number: int
    planes: Planes


def segments_by_name(suggestion: Suggestion, scan: Scan) -> dict[str, Segment]:
    """Give the segments that ``seg.dcm`` holds, by `Label.name`."""
    masks = label_masks(suggestion, scan)
    return {label.name: Segment(n, planes) for n, (label, planes) in enumerate(masks, start=1)}


def write_labelmap(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``seg_labelmap.dcm``: a LABELMAP segmentation (supplement 243 of the standard).

    Each frame holds segment numbers, so that a pixel is of one segment: where labels overlap,
    the later one is seen, as in the other label maps.

    Raises
    ------
    NothingToWrite
        When no label has a pixel.
    """
    masks = _some(label_masks(suggestion, scan))
    _save(SegmentationTypeValues.LABELMAP, masks, suggestion, scan, path)


def write_fractional(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``seg_fractional.dcm``: a FRACTIONAL segmentation of type OCCUPANCY.

    A pixel holds the share of it that the curve covers (`pixel_coverage`), in steps of 1/255: the
    soft mask, in which a curve keeps its area. A curve between pixel centres is in it too.

    Raises
    ------
    NothingToWrite
        When there is no contour that covers anything.
    """
    shares = _some(label_coverage(suggestion, scan))
    _save(SegmentationTypeValues.FRACTIONAL, shares, suggestion, scan, path)


def _some(arrays: list[tuple[Label, Planes]]) -> list[tuple[Label, Planes]]:
    if not arrays:
        raise NothingToWrite("There is no contour that holds a pixel to write as seg.")
    return arrays


def _save(
    kind: SegmentationTypeValues,
    planes: list[tuple[Label, Planes]],
    suggestion: Suggestion,
    scan: Scan,
    path: Path,
) -> None:
    with discreetly(), replacing(path) as temporary:
        dataset = _segmentation(kind, planes, suggestion, scan)
        carry_text(dataset, scan.datasets[0])
        dataset.save_as(temporary, enforce_file_format=True)


def _segmentation(
    kind: SegmentationTypeValues,
    planes: list[tuple[Label, Planes]],
    suggestion: Suggestion,
    scan: Scan,
) -> Segmentation:
    images, order = _sources(scan)
    pixels = _pixels(kind, planes, scan)[order]
    name = _NAMES[kind]
    dataset = Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[
            _description(number, label, suggestion)
            for number, (label, _) in enumerate(planes, start=1)
        ],
        series_instance_uid=object_uid(suggestion, name, "series"),
        series_number=series_number(images[0], _SERIES_NUMBERS[kind]),
        sop_instance_uid=object_uid(suggestion, name),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=version("medcontour"),
        device_serial_number="1",
        fractional_type=SegmentationFractionalTypeValues.OCCUPANCY,
        max_fractional_value=255,
        content_label="MEDCONTOUR",
        content_description=series_description(suggestion),
        series_description=series_description(suggestion),
        specific_character_set=CHARACTER_SET,
    )
    if scan.frame_of_reference_uid is None:
        # Type 2C of the General Image module where there is no patient coordinate system.
        dataset.PatientOrientation = images[0].get("PatientOrientation", "")
    dimensions = object_uid(suggestion, name, "dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    if before := suggestion.predecessors.get(name):
        _refer_to(before, dataset)
    return dataset


def _pixels(
    kind: SegmentationTypeValues, planes: list[tuple[Label, Planes]], scan: Scan
) -> npt.NDArray[Any]:
    """Segment numbers in one volume where that holds all of it, else a volume a segment."""
    shape = scan.voxels.shape[:3]
    numbers = np.zeros(shape, dtype=np.uint8 if len(planes) < 256 else np.uint16)
    apart = kind is not SegmentationTypeValues.FRACTIONAL
    for number, (_, own) in enumerate(planes, start=1):
        for k, mask in own.items():
            if kind is not SegmentationTypeValues.FRACTIONAL:
                apart &= not numbers[k][mask].any()
                numbers[k][mask] = number
    if apart or kind is SegmentationTypeValues.LABELMAP:
        return numbers
    some = next(iter(planes[0][1].values()))
    volumes = np.zeros((*shape, len(planes)), dtype=some.dtype)
    for place, (_, own) in enumerate(planes):
        for k, values in own.items():
            volumes[k, ..., place] = values
    return volumes


def _refer_to(before: ObjectReference, dataset: Dataset) -> None:
    """Name the segmentation that this one was made from (PS3.3 C.12.4, and C.12.2)."""
    image = Dataset()
    image.ReferencedSOPClassUID = dataset.SOPClassUID
    image.ReferencedSOPInstanceUID = before.sop_instance_uid
    series = Dataset()
    series.SeriesInstanceUID = before.series_instance_uid
    series.ReferencedInstanceSequence = [deepcopy(image)]
    dataset.ReferencedSeriesSequence = [*dataset.get("ReferencedSeriesSequence", ()), series]
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    image.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(purpose)]
    dataset.SourceImageSequence = [image]


def _sources(scan: Scan) -> tuple[list[Dataset], list[int]]:
    """Give the source images, and the slice of the scan that each of their frames is."""
    images = sources(scan)
    if scan.frame_of_reference_uid is None:
        # Some radiographs name a frame of reference but no place in it.
        images[0].pop("FrameOfReferenceUID", None)
    if scan.frame_numbers:
        return images[:1], [int(k) for k in np.argsort(scan.frame_numbers)]
    return images, list(range(scan.slices))


def _description(number: int, label: Label, suggestion: Suggestion) -> SegmentDescription:
    called = tracking_identifier(label)
    return SegmentDescription(
        segment_number=number,
        segment_label=called,
        segmented_property_category=CATEGORY,
        segmented_property_type=TYPE,
        algorithm_type=generation(suggestion),
        algorithm_identification=algorithm_identification(),
        tracking_uid=tracking_uid(suggestion, label.finding),
        tracking_id=called,
        display_color=CIELabColor.from_rgb(*label.colour(suggestion.editable)),
    )


def _refuses(scan: Scan) -> str | None:
    if reason := lacking(scan):
        return reason
    if not scan.frame_of_reference_uid and (scan.slices > 1 or scan.modality in _PLACED):
        return "The image has no FrameOfReferenceUID (0020,0052) to place a segmentation in"
    if scan.frame_numbers and len(set(scan.sop_instance_uids)) > 1:
        return "The slices lie in several multi-frame DICOM objects"
    return odd_kind(scan)


exporter = Exporter("seg", "seg.dcm", write, _refuses, leaves_empty=left_empty)
labelmap_exporter = Exporter(
    "seg-labelmap",
    "seg_labelmap.dcm",
    write_labelmap,
    _refuses,
    by_default=on_request,
    leaves_empty=left_empty,
)
fractional_exporter = Exporter(
    "seg-fractional",
    "seg_fractional.dcm",
    write_fractional,
    _refuses,
    by_default=on_request,
    leaves_empty=left_empty,
)
