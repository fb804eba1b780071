"""DICOM objects to a service by STOW-RS, each once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import requests

from medcontour.dicomweb.address import Address
from medcontour.dicomweb.faults import tried
from medcontour.dicomweb.session import Session, open_session
from medcontour.errors import MedcontourError

__all__ = ["Stored", "store"]

# DICOM PS3.18, table I.2-2, and PS3.7 annex C.
_REASONS = {
    0x0110: "processing failure",
    0x0111: "it has an object of this UID that is not ours",
    0x0112: "no such object",
    0x0117: "the UID is not valid",
    0x0118: "no such SOP class",
    0x0122: "it takes no objects of this kind",
    0x0124: "you have not the right",
    0x0272: "the transfer syntax is not supported",
    0xA700: "it has no room left",
    0xA770: "the study is closed",
    0xA900: "the object does not match its kind",
    0xC000: "it does not understand the object",
    0xC122: "it does not take this transfer syntax",
    0xC409: "it has a different object of this UID",
}


@dataclass(frozen=True)
class Stored:
    """An object that is in the archive now.

    `before` says that it was there already, and was not sent again.
    """

    file: str
    sop_instance_uid: str
    before: bool


@dataclass(frozen=True)
class _Object:
    path: Path
    study: str
    instance: str


def store(files: Iterable[Path], address: Address) -> list[Stored]:
    """Store objects that the service does not have yet.

    The service is asked for all of them before anything is sent. Each goes in a request of its
    own, so that it is known what became of it; the largest first, since that is what a service
    refuses most likely. Where a connection breaks off in the middle, the service is asked before
    the object is sent again.

    Parameters
    ----------
    files
        DICOM files.
    address
        The service.

    Raises
    ------
    MedcontourError
        When an object is refused, with the service's reason, or the service cannot be asked; it
        says what was stored. The same call stores the rest.
    """
    objects = sorted((_read(path) for path in files), key=lambda o: -o.path.stat().st_size)
    session = open_session(address)
    there = {o: tried(lambda o=o: _has(session, o), address) for o in objects}  # type: ignore[misc]
    done: list[Stored] = []
    for each in objects:
        if not there[each]:
            try:
                tried(lambda each=each: _send(session, each), address)  # type: ignore[misc]
            except MedcontourError as error:
                raise type(error)(
                    f"{each.path.name} was not stored: {error}{_rest(done)}"
                ) from error
        done.append(Stored(each.path.name, each.instance, before=there[each]))
    return done


def _rest(done: list[Stored]) -> str:
    if not done:
        return " Nothing was stored."
    names = " and ".join(stored.file for stored in done)
    return f" Stored: {names}; the same again stores the rest and nothing twice."


def _read(path: Path) -> _Object:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        return _Object(path, str(header.StudyInstanceUID), str(header.SOPInstanceUID))
    except Exception as error:  # pydicom raises anything at damaged files
        raise MedcontourError(f"{path} is no whole DICOM file; write it again.") from error


def _has(session: Session, each: _Object) -> bool:
    try:
        found = session.client.search_for_instances(
            each.study, search_filters={"SOPInstanceUID": each.instance}
        )
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code == 404:
            return False  # not even the study
        raise
    uids = [(item.get("00080018", {}).get("Value") or [None])[0] for item in found]
    return each.instance in uids


def _send(session: Session, each: _Object) -> None:
    if _has(session, each):  # an earlier try, of which no answer came
        return
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    response = session.http.post(
        f"{session.address.root}/studies/{each.study}",
        data=head + each.path.read_bytes() + f"\r\n--{boundary}--\r\n".encode(),
        headers={"Content-Type": kind, "Accept": "application/dicom+json"},
        timeout=session.timeout,
    )
    answer = _answer(response)
    if failed := _codes(answer, "00081198", "00081197"):
        raise MedcontourError(f"{session.address.host} refuses it ({_reason(int(failed[0]))}).")
    response.raise_for_status()
    if each.instance not in _codes(answer, "00081199", "00081155") and not _has(session, each):
        raise MedcontourError(
            f"{session.address.host} took it and does not have it; tell its administrator."
        )


def _answer(response: requests.Response) -> Any:
    """Give the service's Store Instances Response (PS3.18, 10.5.3), where it sends one in JSON."""
    try:
        answer = response.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return answer[0] if isinstance(answer, list) and answer else answer


def _codes(answer: Any, sequence: str, tag: str) -> list[Any]:
    try:
        return [item[tag]["Value"][0] for item in answer.get(sequence, {}).get("Value") or []]
    except (TypeError, KeyError, IndexError, AttributeError):
        return []


def _reason(code: int) -> str:
    """Give a FailureReason (0008,1197) in words."""
    words = _REASONS.get(code) or _REASONS.get(code & 0xFF00) or _REASONS.get(code & 0xF000)
    return f"{words or 'for a reason of its own'}, {code:04X}H"
