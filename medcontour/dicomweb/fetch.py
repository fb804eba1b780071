"""A series by QIDO-RS and WADO-RS to files, image by image, so that what is received stays so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from pydicom.dataset import Dataset

from medcontour.dicomweb.address import UID, Address
from medcontour.dicomweb.cache import series_folder
from medcontour.dicomweb.faults import Lost, tried
from medcontour.dicomweb.frames import image_from_frames
from medcontour.dicomweb.session import Session, open_session
from medcontour.errors import MedcontourError
from medcontour.files import replacing

__all__ = ["RemoteSeries", "checked_uid", "fetched_series", "first_value", "list_remote"]

MOST_LISTED = 100

# How servers say that they do not give whole objects.
_NO_OBJECTS = (400, 404, 405, 406, 415, 501)


@dataclass(frozen=True)
class RemoteSeries:
    """What a service says of one series, without patient data.

    A SeriesDescription is left out: people write names into it, and two series may share it.
    """

    uid: str
    modality: str
    images: int


def list_remote(address: Address) -> list[RemoteSeries]:
    """List the series of a service, `MOST_LISTED` at most.

    Raises
    ------
    MedcontourError
        When the service cannot be asked.
    """
    session = open_session(address)
    found = tried(lambda: session.client.search_for_series(limit=MOST_LISTED), address)
    return [
        RemoteSeries(
            str(first_value(item, "0020000E")),
            str(first_value(item, "00080060") or "OT"),
            int(first_value(item, "00201209") or 0),
        )
        for item in found[:MOST_LISTED]
    ]


@contextmanager
def fetched_series(
    address: Address, progress: Callable[[str, int, int], None] | None = None
) -> Iterator[Path]:
    """Fetch a series into a folder that is there while the block runs.

    Parameters
    ----------
    address
        With the series.
    progress
        Called with ``"fetch"``, how many images are here, and how many there are.

    Raises
    ------
    MedcontourError
        When the address names no series or the service does not have it, cannot be asked, or
        sends something else. Where the connection was lost, what was received is kept for the
        next run.
    """
    if address.series is None:
        raise MedcontourError(_choose(address))
    session = open_session(address)
    study = _study(session, address.series)
    instances = _instances(session, study, address.series)
    with series_folder(address) as folder:
        for done, instance in enumerate(instances):
            file = folder / f"{instance}.dcm"
            if file.exists():
                continue
            try:
                dataset = tried(
                    lambda uid=instance: _image(session, study, uid),  # type: ignore[misc]
                    address,
                )
            except Lost as lost:
                raise Lost(
                    f"{lost} {done} of {len(instances)} images were received; the same command "
                    "goes on from there within a day."
                    if done
                    else str(lost)
                ) from lost
            with replacing(file) as temporary:
                dataset.save_as(temporary, enforce_file_format=True)
            if progress:
                progress("fetch", done + 1, len(instances))
        yield folder


def _choose(address: Address) -> str:
    listed = list_remote(address)
    if not listed:
        return f"{address.root} holds no series; check the address."
    names = "; ".join(f"{s.uid} ({s.modality}, {s.images} images)" for s in listed[:20])
    return (
        f"{address.text} names no series; add # and one of its SeriesInstanceUIDs "
        f"({len(listed)} found): {names}."
    )


def _study(session: Session, series: str) -> str:
    """Give the study that holds the series."""
    address = session.address
    found = tried(
        lambda: session.client.search_for_series(
            search_filters={"SeriesInstanceUID": series}, fields=["StudyInstanceUID"]
        ),
        address,
    )
    # Some services pass over a filter that they do not know.
    studies = {
        first_value(item, "0020000D") for item in found if first_value(item, "0020000E") == series
    }
    if len(studies) != 1:
        trouble = "no series" if not studies else f"{len(studies)} studies with the series"
        raise MedcontourError(
            f"{address.root} has {trouble} {series}; `medcontour info dicomweb+{address.root}` "
            "lists what it has."
        )
    return checked_uid(studies.pop(), address)


def _instances(session: Session, study: str, series: str) -> list[str]:
    """List the SOP Instance UIDs of a series, page by page where the service cuts its answers."""
    address = session.address
    found: dict[str, None] = {}

    def page() -> dict[str, None]:
        items = session.client.search_for_instances(study, series, offset=len(found))
        return {checked_uid(first_value(item, "00080018"), address): None for item in items}

    while not (new := tried(page, address)).keys() <= found.keys():
        found |= new
    if not found:
        raise MedcontourError(f"The series {series} has no images at {address.root}.")
    return list(found)


def _image(session: Session, study: str, instance: str) -> Dataset:
    series = session.address.series
    assert series
    try:
        dataset: Dataset = session.client.retrieve_instance(study, series, instance)
    except requests.HTTPError as error:
        if error.response is None or error.response.status_code not in _NO_OBJECTS:
            raise
        dataset = image_from_frames(session, study, series, instance)
    got = str(dataset.get("SeriesInstanceUID")), str(dataset.get("SOPInstanceUID"))
    if got != (series, instance):
        what = "an image of another series" if got[0] != series else "another image"
        raise MedcontourError(
            f"{session.address.host} sent {what} where {instance} of the series {series} was asked "
            "for; nothing was taken over. Tell its administrator."
        )
    _check_whole(dataset)
    return dataset


def _check_whole(dataset: Dataset) -> None:
    """Refuse an image whose pixels were cut off on the way."""
    if "Rows" not in dataset:
        return  # no image: the reader of the scan passes over it
    pixels = dataset["PixelData"].value
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
        if len(pixels) * 8 < bits * int(dataset.get("NumberOfFrames") or 1):
            raise ValueError("fewer pixels than rows and columns")


def first_value(item: dict[str, Any], tag: str) -> Any:
    """Give the first value of an attribute in a service's JSON; None where there is none."""
    return (item.get(tag, {}).get("Value") or [None])[0]


def checked_uid(uid: Any, address: Address) -> str:
    """Refuse a UID that could be anything else in an address or as a file's name."""
    if not isinstance(uid, str) or not UID.fullmatch(uid):
        raise MedcontourError(
            f"{address.host} gives a UID that is none (digits and dots, 64 at most); tell its "
            "administrator."
        )
    return uid
