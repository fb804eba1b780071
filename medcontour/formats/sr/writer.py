"""DICOM SR, Comprehensive 3D (PS3.3 A.35.13), by highdicom: a TID 1500 measurement report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    Comprehensive3DSRStorage,
    CTImageStorage,
    ImplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SegmentationStorage,
    generate_uid,
)

from medcontour.files import replacing
from medcontour.formats.dicom.curves import covering
from medcontour.formats.dicom.header import (
    CHARACTER_SET,
    MANUFACTURER,
    discreetly,
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
from medcontour.formats.labels import Label, labels
from medcontour.formats.seg.writer import Segment, segments_by_name
from medcontour.formats.seg.writer import exporter as seg
from medcontour.formats.sr import concepts
from medcontour.formats.sr.measured import largest, segmented_volume_mm3, size_of
from medcontour.results.exporter import Exporter, NothingToWrite
from medcontour.results.model import Suggestion
from medcontour.results.parts import PlacedContour
from medcontour.scan.scan import Scan

__all__ = ["exporter", "write"]

NAME = "sr"

UNIT: Code = codes.UCUM.NoUnits
MM: Code = codes.UCUM.Millimeter

# What of an image highdicom describes, and what it needs for that.
_DESCRIBED = (CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage)
_DESCRIPTION = (
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "ImageOrientationPatient",
    "ImagePositionPatient",
)


def write(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write ``sr.dcm``.

    One measurement group a finding: its polygons in patient space, or on the image where that has
    no frame of reference, of the kind of contour that is edited (`Suggestion.editable`), what they
    measure, and what the classifier and its evidence say. Contours without area are left out.

    Raises
    ------
    NothingToWrite
        When there is no such contour: a report without a region says nothing of a finding.
    """
    regions = [
        (label, drawn)
        for label in labels(suggestion)
        if (drawn := covering(label.contours(suggestion.editable)))
    ]
    if not regions:
        raise NothingToWrite("There is no contour to write as sr.")
    with discreetly(), replacing(path) as temporary:
        dataset = _Report(suggestion, scan).document(regions)
        carry_text(dataset, scan.datasets[0])
        dataset.save_as(temporary, enforce_file_format=True)


@dataclass(frozen=True)
class _Report:
    suggestion: Suggestion
    scan: Scan

    @cached_property
    def images(self) -> list[Dataset]:
        """The slices' headers."""
        return sources(self.scan)

    @cached_property
    def segments(self) -> dict[str, Segment]:
        """The segments of the suggestion's own segmentation, by name."""
        return {} if seg.refuses(self.scan) else segments_by_name(self.suggestion, self.scan)

    def document(self, regions: Sequence[tuple[Label, list[PlacedContour]]]) -> Dataset:
        """The whole report."""
        source = self.images[0]
        used = [
            self.images[k]
            for k in sorted({part.slice for label, _ in regions for part in label.finding.slices})
        ]
        segmentations = [self._segmentation()] if self.segments else []
        before = self.suggestion.predecessors.get(NAME)
        # Implicit VR: explicit VR holds no more than 64 KiB of points in one polygon.
        dataset: Dataset = sr.Comprehensive3DSR(
            evidence=[_patient_of(source, used[0]), *used, *segmentations],
            content=sr.MeasurementReport(
                observation_context=sr.ObservationContext(observer_device_context=_observer()),
                procedure_reported=codes.SCT.ImagingProcedure,
                imaging_measurements=[self._group(label, drawn) for label, drawn in regions],
                referenced_images=[image for image in used if _is_described(image)],
            ),
            series_instance_uid=object_uid(self.suggestion, NAME, "series"),
            series_number=series_number(source, 5),
            sop_instance_uid=object_uid(self.suggestion, NAME),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MANUFACTURER,
            software_versions=version("medcontour"),
            is_complete=True,
            previous_versions=[_document_reference(before, source)] if before else None,
            transfer_syntax_uid=ImplicitVRLittleEndian,
            series_description=series_description(self.suggestion),
            specific_character_set=CHARACTER_SET,
        )
        dataset.CodingSchemeIdentificationSequence = [concepts.scheme_identification()]
        return dataset

    def _segmentation(self) -> Dataset:
        return _instance(
            SegmentationStorage,
            object_uid(self.suggestion, "seg"),
            object_uid(self.suggestion, "seg", "series"),
            self.images[0],
        )

    def _group(self, label: Label, drawn: Sequence[PlacedContour]) -> Any:
        finding = label.finding
        about: dict[str, Any] = {
            "tracking_identifier": sr.TrackingIdentifier(
                uid=tracking_uid(self.suggestion, finding), identifier=tracking_identifier(label)
            ),
            "finding_type": concepts.finding_type(finding.label),
            "algorithm_id": sr.AlgorithmIdentification(
                name=MANUFACTURER,
                version=version("medcontour"),
                family=codes.DCM.ArtificialIntelligence,
            ),
            "measurements": [
                *self._sizes(label, drawn),
                *self._figures(label),
                *self._segmented(label, drawn),
            ],
            "qualitative_evaluations": [
                sr.QualitativeEvaluation(concepts.STATUS, concepts.STATUSES[finding.status])
            ],
        }
        if not self.scan.frame_of_reference_uid:  # no place in space: regions of the image
            regions = [
                sr.ImageRegion("POLYLINE", self._on_image(contour), self._image(contour))
                for contour in drawn
            ]
            if len(regions) == 1:
                return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                    referenced_region=regions[0], **about
                )
            return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                referenced_regions=regions, **about
            )
        group = self._in_space(drawn, about)
        if np.isclose(*self.scan.pixel_spacing):  # OHIF takes a row's height for a column's width
            items = group[0].ContentSequence
            first = next(i for i, item in enumerate(items) if item.ValueType == "SCOORD3D")
            items.insert(first, self._outline(largest(drawn)))
        return group

    def _in_space(self, drawn: Sequence[PlacedContour], about: dict[str, Any]) -> Any:
        """The group with its polygons in the scan's frame of reference."""
        frame = self.scan.frame_of_reference_uid
        polygons = [self._closed(contour) for contour in drawn]
        if len(polygons) == 1:
            only = sr.ImageRegion3D("POLYGON", polygons[0], frame)
            return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                referenced_region=only, **about
            )
        images = [
            sr.SourceImageForSegmentation(*self._reference(k))
            for k in sorted({contour.slice for contour in drawn})
        ]
        surface = sr.VolumeSurface("POLYGON", polygons, frame, source_images=images)
        return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_volume_surface=surface, **about
        )

    def _outline(self, contour: PlacedContour) -> sr.ScoordContentItem:
        """A polygon once more, on its image: viewers draw the first coordinates of a group.

        OHIF fails on polygons in space, and knows closed polylines.
        """
        item = sr.ScoordContentItem(
            name=concepts.OUTLINE,
            graphic_type="POLYLINE",
            graphic_data=self._on_image(contour),
            relationship_type="CONTAINS",
        )
        item.ContentSequence = [self._image(contour)]
        return item

    def _on_image(self, contour: PlacedContour) -> np.ndarray:
        """(n + 1, 2) column and row, the first pixel's centre at (0.5, 0.5)."""
        points = self.scan.to_index(contour.polygon_lps_mm, contour.slice) + 0.5
        return np.concatenate([points, points[:1]])

    def _image(self, contour: PlacedContour) -> sr.SourceImageForRegion:
        return sr.SourceImageForRegion(*self._reference(contour.slice))

    def _closed(self, contour: PlacedContour) -> np.ndarray:
        """(n + 1, 3) LPS mm, exactly in the slice's plane; the first point is repeated."""
        k = contour.slice
        points = self.scan.to_lps(self.scan.to_index(contour.polygon_lps_mm, k), k)
        return np.concatenate([points, points[:1]])

    def _sizes(self, label: Label, drawn: Sequence[PlacedContour]) -> Iterator[sr.Measurement]:
        """What outlines measure; of evidence nothing is measured, as it is no lesion's size."""
        if self.suggestion.editable != "outline" or self.scan.units != "mm":
            return
        size = size_of(drawn, self.scan)
        if _over_slices(drawn) and size.volume_mm3 is not None:
            yield sr.Measurement(
                concepts.VOLUME,
                size.volume_mm3,
                codes.UCUM.CubicMillimeter,
                method=concepts.SUM_OF_AREAS,
            )
        else:
            segment = self._segment(label)
            yield sr.Measurement(
                concepts.AREA,
                size.area_mm2,
                codes.UCUM.SquareMillimeter,
                method=concepts.AREA_OF_POLYGON,
                referenced_images=[segment] if segment else None,
            )
        yield self._measurement(concepts.LONG_AXIS, size.long_axis_mm, MM, size.slice)
        yield self._measurement(concepts.SHORT_AXIS, size.short_axis_mm, MM, size.slice)

    def _segmented(self, label: Label, drawn: Sequence[PlacedContour]) -> Iterator[sr.Measurement]:
        """The volume of the finding's segment, as programs count it that read segmentations."""
        segment = self._segment(label)
        measured = self.suggestion.editable == "outline" and _over_slices(drawn)
        if segment is None or not measured:
            return
        counted = segmented_volume_mm3(self.segments[label.name].planes, self.scan)
        if counted is not None:
            yield sr.Measurement(
                concepts.VOLUME,
                counted,
                codes.UCUM.CubicMillimeter,
                method=concepts.SUM_OF_VOXELS,
                referenced_images=[segment],
            )

    def _segment(self, label: Label) -> sr.SourceImageForMeasurement | None:
        """The finding's segment in the suggestion's segmentation, where it holds a pixel."""
        own = self.segments.get(label.name)
        if own is None:
            return None
        reference = sr.SourceImageForMeasurement(
            SegmentationStorage, object_uid(self.suggestion, "seg")
        )
        reference.ReferencedSOPSequence[0].ReferencedSegmentNumber = own.number
        return reference

    def _figures(self, label: Label) -> Iterator[sr.Measurement]:
        """The score, and the evidence of the slice with the highest score that has some."""
        slices = label.finding.slices
        best = max(slices, key=lambda part: part.score)
        yield self._measurement(concepts.SCORE, best.score, UNIT, best.slice)
        judged = [part for part in slices if part.evidence is not None]
        if not judged:
            return
        part = max(judged, key=lambda part: part.score)
        own = part.evidence
        assert own is not None
        for name, value in (
            (concepts.PRESERVED, own.preserved),
            (concepts.DELETED, own.deleted),
            (concepts.P_VALUE, own.p_value),
        ):
            yield self._measurement(name, value, UNIT, part.slice)

    def _measurement(self, name: Code, value: float, unit: Code, k: int) -> sr.Measurement:
        image = sr.SourceImageForMeasurement(*self._reference(k))
        return sr.Measurement(name, value, unit, referenced_images=[image])

    def _reference(self, k: int) -> tuple[str, str, list[int] | None]:
        """Class and instance of the image of slice `k`, and its frame where it has several."""
        image, frames = self.images[k], self.scan.frame_numbers
        return image.SOPClassUID, image.SOPInstanceUID, [frames[k]] if frames else None


def _patient_of(source: Dataset, image: Dataset) -> Dataset:
    """An image with the patient and study of the source, which highdicom takes from the first."""
    first = copy(source)
    first.SOPClassUID, first.SOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return first


def _over_slices(contours: Sequence[PlacedContour]) -> bool:
    return len({contour.slice for contour in contours}) > 1


def _is_described(image: Dataset) -> bool:
    return image.SOPClassUID in _DESCRIBED and all(image.get(name) for name in _DESCRIPTION)


def _observer() -> sr.ObserverContext:
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=[MANUFACTURER, "device", version("medcontour")]),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=MANUFACTURER,
        ),
    )


def _document_reference(before: Any, source: Dataset) -> Dataset:
    return _instance(
        Comprehensive3DSRStorage, before.sop_instance_uid, before.series_instance_uid, source
    )


def _instance(sop_class: str, uid: str, series: str, source: Dataset) -> Dataset:
    """What of an object of the source's study is needed to refer to it."""
    instance = Dataset()
    instance.SOPClassUID, instance.SOPInstanceUID = sop_class, uid
    instance.StudyInstanceUID, instance.SeriesInstanceUID = source.StudyInstanceUID, series
    return instance


def _refuses(scan: Scan) -> str | None:
    return lacking(scan) or odd_kind(scan)


exporter = Exporter(NAME, "sr.dcm", write, _refuses, leaves_empty=left_empty)
