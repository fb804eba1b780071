"""What napari opens: scans, suggestion.json, RTSTRUCT and SEG; and the sample."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcontour_napari.geometry import study_of
from medcontour_napari.layers import (
    LayerData,
    Shown,
    evidence_layer,
    image_layer,
    outline_layer,
    shown_in,
)

if TYPE_CHECKING:
    import medcontour as mc

__all__ = ["get_reader", "open_sample", "sample_place"]

SCANS = (".nii", ".nii.gz", ".nrrd", ".mha")
OBJECTS = ("RTSTRUCT", "SEG")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Give what reads a path; None for what is none of ours."""
    if isinstance(path, list):
        path = path[0]
    place = Path(path)
    name = place.name.lower()
    if name.endswith(".json"):
        return _of_suggestion if _is_suggestion(place) else None
    if name.endswith(".dcm"):
        return _of_object if _modality(place) in OBJECTS else _of_scan
    if name.endswith(SCANS) or (place.is_dir() and _holds_dicom(place)):
        return _of_scan
    return None


def sample_place(name: str) -> Path:
    """Where ``ct_study`` or ``nodule_classifier`` is: in the package, or in its repository."""
    packed = Path(__file__).with_name("sample") / name
    return packed if packed.exists() else Path(__file__).parents[3] / "sample_data" / name


def open_sample() -> list[LayerData]:
    """A thorax CT with nodules, a phantom; the Findings panel then offers its classifier."""
    return _scan_layers(str(sample_place("ct_study")), str(sample_place("nodule_classifier")))


def _of_scan(path: str | list[str]) -> list[LayerData]:
    return _scan_layers(_first(path))


def _scan_layers(path: str, classifier: str | None = None) -> list[LayerData]:
    import medcontour as mc

    scan = mc.read_scan(path)
    shown = Shown(study_of(scan), "image", place=path, classifier=classifier)
    return [image_layer(scan.voxels, shown)]


def _of_suggestion(path: str | list[str]) -> list[LayerData]:
    """Outlines and evidence, with the scan where it still is where it was."""
    import medcontour as mc

    suggestion = mc.Suggestion.read_json(_first(path))
    opened = _open_scan(suggestion)
    if opened is not None:
        return _layers(opened[0], opened[1], suggestion)
    place = suggestion.scan_path
    if place is None or not Path(place).exists():
        raise mc.MedcontourError("The scan of these findings is not where it was; open it first.")
    return _with_image(mc.read_scan(place), suggestion)


def _of_object(path: str | list[str]) -> list[LayerData]:
    """An RTSTRUCT or SEG of any program, on the scan that is open or lies beside it."""
    import medcontour as mc
    from medcontour.workspace import nothing_suggested

    file = Path(_first(path))
    series = _series_of(file)
    for scan, place in _open_scans():
        if series is None or scan.series_instance_uid == series:
            found = mc.refine(nothing_suggested(scan), file, scan, include_other=True)
            return _layers(scan, place, found.suggestion)
    try:
        scan = mc.read_scan(file.parent, series=series)
    except mc.MedcontourError as error:
        raise mc.MedcontourError(
            "The scan that this file was drawn on is neither open nor beside it; open it first."
        ) from error
    found = mc.refine(nothing_suggested(scan), file, scan, include_other=True)
    return _with_image(scan, found.suggestion, str(file.parent))


def _with_image(
    scan: mc.Scan, suggestion: mc.Suggestion, place: str | None = None
) -> list[LayerData]:
    place = place or suggestion.scan_path
    image = image_layer(scan.voxels, Shown(study_of(scan), "image", place=place))
    return [image, *_layers(scan, place, suggestion)]


def _layers(scan: mc.Scan, place: str | None, suggestion: mc.Suggestion) -> list[LayerData]:
    document = json.loads(replace(suggestion, source=scan).to_json())
    shown = Shown(study_of(scan), "outlines", document, place)
    return [evidence_layer(shown, document), outline_layer(shown, document)]


def _open_scan(suggestion: mc.Suggestion) -> tuple[mc.Scan, str] | None:
    for scan, place in _open_scans():
        if (
            tuple(suggestion.scan.shape) == scan.voxels.shape[:3]
            and suggestion.scan.series_instance_uid == scan.series_instance_uid
            and suggestion.scan.affine_lps == scan.affine_lps.tolist()
        ):
            return scan, place
    return None


def _open_scans() -> list[tuple[mc.Scan, str]]:
    """The scans that this plugin opened in the viewer."""
    from napari import current_viewer

    import medcontour as mc

    viewer = current_viewer()
    found = [] if viewer is None else [shown_in(layer) for layer in viewer.layers]
    places = {one.place for one in found if one is not None and one.place is not None}
    return [(mc.read_scan(place), place) for place in sorted(places)]


def _is_suggestion(path: Path) -> bool:
    with path.open("rb") as file:
        return b"medcontour/suggestion/" in file.read(4096)


def _header(path: Path) -> Any:
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except Exception:
        return None


def _modality(path: Path) -> str | None:
    header = _header(path)
    return None if header is None else header.get("Modality")


def _holds_dicom(folder: Path) -> bool:
    files = (file for file in sorted(folder.iterdir()) if file.is_file())
    return any(_starts_as_dicom(file) for file, _ in zip(files, range(20), strict=False))


def _starts_as_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"


def _series_of(path: Path) -> str | None:
    """The series that an RTSTRUCT or SEG says it was drawn on."""
    header = _header(path)
    for frame in header.get("ReferencedFrameOfReferenceSequence", []):
        for study in frame.get("RTReferencedStudySequence", []):
            for series in study.get("RTReferencedSeriesSequence", []):
                return str(series.SeriesInstanceUID)
    for series in header.get("ReferencedSeriesSequence", []):
        return str(series.SeriesInstanceUID)
    return None


def _first(path: str | list[str]) -> str:
    return path[0] if isinstance(path, list) else path
