"""DICOM RT Structure Set (PS3.3 A.19): every contour as exact points in its slice's plane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage
from pydicom.valuerep import format_number_as_ds

from medcontour.files import replacing
from medcontour.formats.dicom.curves import covering
from medcontour.formats.dicom.header import (
    CHARACTER_SET,
    MANUFACTURER,
    algorithm_identification,
    discreetly,
    generation,
    lacking,
    long_string,
    now,
    series_description,
    series_number,
    sources,
)
from medcontour.formats.dicom.identity import object_uid
from medcontour.formats.dicom.left_empty import left_empty
from medcontour.formats.dicom.text import carry_text
from medcontour.formats.labels import Kind, Label, structures
from medcontour.results.exporter import Exporter, NothingToWrite
from medcontour.results.model import Suggestion
from medcontour.results.parts import PlacedContour
from medcontour.scan.scan import Scan

__all__ = ["exporter", "write"]

NAME = "rtstruct"

# Retired, yet what every structure set names for the study: the attribute is of type 1.
DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``rtstruct.dcm``.

    Two ROIs a finding: ``NAME 1`` holds its outlines, ``NAME 1 evidence`` its evidence contours; an
    ROI without contours is left out, and so is a contour without area. Points are those of
    `PlacedContour.polygon_lps_mm`, never of a mask.

    Raises
    ------
    NothingToWrite
        When there is no contour: a structure set without ROIs is not valid.
    """
    rois = [
        (label, kind, drawn)
        for label, kind, contours in structures(suggestion)
        if (drawn := covering(contours))
    ]
    if not rois:
        raise NothingToWrite("There is no contour to write as rtstruct.")
    with discreetly(), replacing(path) as temporary:
        images = sources(scan)
        dataset = _structure_set(suggestion, scan, images)
        dataset.StructureSetROISequence = []
        dataset.ROIContourSequence = []
        dataset.RTROIObservationsSequence = []
        for number, (label, kind, contours) in enumerate(rois, start=1):
            dataset.StructureSetROISequence.append(_roi(number, label, kind, suggestion, scan))
            dataset.ROIContourSequence.append(
                _roi_contour(number, label, kind, contours, scan, images)
            )
            dataset.RTROIObservationsSequence.append(_observation(number))
        carry_text(dataset, scan.datasets[0])
        dataset.save_as(temporary, enforce_file_format=True)


def _structure_set(suggestion: Suggestion, scan: Scan, images: Sequence[Dataset]) -> Dataset:
    source = images[0]
    # Implicit VR: explicit VR holds no more than 64 KiB of points in one contour.
    dataset: Dataset = SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=object_uid(suggestion, NAME, "series"),
        series_number=series_number(source, 1),
        sop_instance_uid=object_uid(suggestion, NAME),
        sop_class_uid=RTStructureSetStorage,
        instance_number=1,
        modality="RTSTRUCT",
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=version("medcontour"),
        transfer_syntax_uid=ImplicitVRLittleEndian,
        series_description=series_description(suggestion),
        specific_character_set=CHARACTER_SET,
    )
    patient = deepcopy(source)
    patient.SOPClassUID = RTStructureSetStorage  # by its tables highdicom knows what to copy
    dataset.copy_patient_and_study_information(patient)
    dataset.OperatorsName = ""
    dataset.FrameOfReferenceUID = scan.frame_of_reference_uid
    dataset.PositionReferenceIndicator = source.get("PositionReferenceIndicator", "")
    dataset.StructureSetLabel = MANUFACTURER
    dataset.StructureSetDate, dataset.StructureSetTime = now()
    if before := suggestion.predecessors.get(NAME):
        predecessor = Dataset()
        predecessor.ReferencedSOPClassUID = RTStructureSetStorage
        predecessor.ReferencedSOPInstanceUID = before.sop_instance_uid
        dataset.PredecessorStructureSetSequence = [predecessor]
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(scan, images)]
    dataset.ApprovalStatus = "UNAPPROVED"
    return dataset


def _referenced_frame(scan: Scan, images: Sequence[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = [_reference(scan, images, k) for k in range(scan.slices)]
    study = Dataset()
    study.ReferencedSOPClassUID = DETACHED_STUDY_MANAGEMENT
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = scan.frame_of_reference_uid
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(scan: Scan, images: Sequence[Dataset], k: int) -> Dataset:
    """Refer to the image of slice `k`, and to its frame where it has several."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = images[k].SOPClassUID
    reference.ReferencedSOPInstanceUID = images[k].SOPInstanceUID
    if scan.frame_numbers:
        reference.ReferencedFrameNumber = scan.frame_numbers[k]
    return reference


def _roi(number: int, label: Label, kind: Kind, suggestion: Suggestion, scan: Scan) -> Dataset:
    roi = Dataset()
    roi.ROINumber = number
    roi.ReferencedFrameOfReferenceUID = scan.frame_of_reference_uid
    roi.ROIName = long_string(label.category, label.called(kind).removeprefix(label.category))
    slices = len(label.finding.slices)
    what = "boundary in the image" if kind == "outline" else "what the classifier's score rests on"
    roi.ROIDescription = (
        f"{long_string(label.name)}, score {label.finding.score:.3f} "
        f"({f'highest of {slices} slices' if slices > 1 else 'one slice'}): {what}"
    )
    roi.ROIGenerationAlgorithm = generation(suggestion)
    roi.ROIDerivationAlgorithmIdentificationSequence = algorithm_identification()
    return roi


def _roi_contour(
    number: int,
    label: Label,
    kind: Kind,
    contours: Iterable[PlacedContour],
    scan: Scan,
    images: Sequence[Dataset],
) -> Dataset:
    roi_contour = Dataset()
    roi_contour.ReferencedROINumber = number
    roi_contour.ROIDisplayColor = list(label.colour(kind))
    roi_contour.ContourSequence = []
    for contour_number, contour in enumerate(contours, start=1):
        item = Dataset()
        item.ContourNumber = contour_number
        item.ContourImageSequence = [_reference(scan, images, contour.slice)]
        item.ContourGeometricType = "CLOSED_PLANAR"
        item.NumberOfContourPoints = len(contour.polygon_lps_mm)
        item.ContourData = _decimal_strings(contour.polygon_lps_mm)
        roi_contour.ContourSequence.append(item)
    return roi_contour


def _decimal_strings(points: npt.NDArray[np.float64]) -> Sequence[str]:
    """VR DS: as many digits as 16 bytes hold."""
    return [format_number_as_ds(value) for value in points.ravel().tolist()]


def _observation(number: int) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = number
    observation.ReferencedROINumber = number
    observation.RTROIInterpretedType = ""
    observation.ROIInterpreter = ""
    return observation


def _refuses(scan: Scan) -> str | None:
    if scan.datasets and not scan.frame_of_reference_uid:
        return "The image has no FrameOfReferenceUID (0020,0052) to place a structure set in"
    return lacking(scan)


exporter = Exporter(NAME, "rtstruct.dcm", write, _refuses, leaves_empty=left_empty)
