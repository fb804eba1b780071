"""What goes wrong between us and a server, in sentences, and what is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import requests

from medcontour.dicomweb.address import Address
from medcontour.errors import MedcontourError

__all__ = ["Lost", "tried"]

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0)
"""Seconds before each further try; a server's own wish (Retry-After) is followed up to LONGEST."""
LONGEST = 20.0

_CERTIFICATE = (
    "If it asks for a certificate of yours, give it with MEDCONTOUR_DICOMWEB_CERTIFICATE and "
    "MEDCONTOUR_DICOMWEB_KEY"
)
_BUSY = (408, 429, 502, 503, 504)


class Lost(MedcontourError):
    """The server is away, busy or broke off: the same may work later."""

    wait: float | None = None


def tried(action: Callable[[], T], address: Address) -> T:
    """Do `action`, a few times where the fault may pass, and put its faults into sentences.

    Raises
    ------
    Lost
        When the fault may pass and did not.
    MedcontourError
        For all others.
    """
    for wait in (*WAITS, None):
        try:
            return action()
        except MedcontourError:
            raise
        except Exception as error:  # the libraries raise what they meet: sockets, TLS, JSON, DICOM
            fault = _fault(error, address)
            if wait is None or not isinstance(fault, Lost):
                raise fault from error
            time.sleep(min(fault.wait or wait, LONGEST))
    raise AssertionError("the last try returns or raises")


def _fault(error: Exception, address: Address) -> MedcontourError:
    host = address.host
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _status(error.response, address)
    if isinstance(error, requests.Timeout):
        return Lost(
            f"{host} did not answer in time; try again later, or wait longer with "
            "MEDCONTOUR_DICOMWEB_TIMEOUT=SECONDS."
        )
    said = str(error)
    if isinstance(error, requests.RequestException):
        if "CERTIFICATE_VERIFY_FAILED" in said or "certificate verify failed" in said:
            return MedcontourError(
                f"The certificate of {host} is not trusted ({_why(said)}); if the hospital signs "
                "its own, give its authority's file with MEDCONTOUR_DICOMWEB_CA=FILE."
            )
        if "alert" in said.lower() or ("SSL" in said and "EOF" not in said):
            return MedcontourError(
                f"{host} refuses the encrypted connection ({_why(said)}). {_CERTIFICATE}."
            )
        broken = "Connection aborted" in said or "EOF" in said
        if isinstance(error, requests.ConnectionError) and not broken:
            return Lost(
                f"{host} cannot be reached; check the address and whether the server is up, and "
                "try again."
            )
        if not isinstance(error, requests.exceptions.InvalidJSONError):
            return Lost(
                f"The connection to {host} broke off; try again."
                # With TLS 1.3 a refusal of the client may look like this.
                + (f" {_CERTIFICATE}." if address.root.startswith("https:") else "")
            )
        return MedcontourError(
            f"What answers at {address.root} is no DICOMweb service; check the address, which "
            "often ends with /dicom-web, /rs or /dicomWeb."
        )
    # A part of an answer that neither HTTP nor DICOM explains.
    return Lost(f"{host} sent a damaged part ({type(error).__name__}); try again.")


def _status(response: requests.Response, address: Address) -> MedcontourError:
    code, host = response.status_code, address.host
    said = f"{code} {_phrase(code)}".strip()
    if code in _BUSY:
        lost = Lost(f"{host} is busy or under maintenance ({said}); try again later.")
        wish = response.headers.get("Retry-After", "")
        lost.wait = float(wish) if wish.isdecimal() else None
        return lost
    remedies = {
        401: "asks who you are, or does not take the answer: give a token or a name and password "
        "(docs/how-to/dicomweb.md)",
        403: "does not let you do this: ask its administrator for the right",
        404: f"has nothing at {address.root}: check the address and the UID",
        413: "takes no object of this size: ask its administrator to raise the limit",
    }
    remedy = remedies.get(code, "does not do what was asked: ask its administrator")
    return MedcontourError(f"{host} {remedy} ({said}).")


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""


def _why(said: str) -> str:
    """Take OpenSSL's own words out of what three libraries wrapped them in."""
    for start in ("certificate verify failed: ", "alert ", "] "):
        if start in said:
            words = said.split(start, 1)[1].split(" (_ssl", 1)[0]
            return words.split(" (", 1)[0].strip("')\" ")[:80] or "TLS"
    return "TLS"
