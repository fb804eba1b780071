"""Where a series is: ``dicomweb+https://HOST/ROOT#SERIES_UID``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from medcontour.errors import MedcontourError

__all__ = ["UID", "Address", "is_address", "parse_address"]

UID = re.compile(r"[0-9.]{1,64}")
"""DICOM PS3.5, 9.1, as far as it keeps a UID harmless in an address and as a file's name."""

_PREFIX = "dicomweb+"
_FORM = "write dicomweb+https://HOST/ROOT#SERIES_UID"


@dataclass(frozen=True)
class Address:
    """A DICOMweb service, and a series in it where one is named.

    Attributes
    ----------
    root
        URL of the service, as ``https://pacs.example/dicom-web``.
    series
        SeriesInstanceUID (0020,000E).
    """

    root: str
    series: str | None = None

    @property
    def text(self) -> str:
        """The address as a user writes it."""
        return f"{_PREFIX}{self.root}" + (f"#{self.series}" if self.series else "")

    @property
    def host(self) -> str:
        """Name of the machine, with its port where one is given."""
        return urlsplit(self.root).netloc

    @property
    def encrypted(self) -> bool:
        """Whether what is sent is encrypted, or does not leave this machine."""
        url = urlsplit(self.root)
        return url.scheme == "https" or _loopback(url.hostname or "")

    @property
    def loopback(self) -> bool:
        """Whether the service is on this machine."""
        return _loopback(urlsplit(self.root).hostname or "")


def is_address(path: object) -> bool:
    """Whether this is an address of a series in an archive and no path of a file.

    Examples
    --------
    >>> is_address("dicomweb+https://pacs.example/dicom-web#1.2.3"), is_address("study/")
    (True, False)
    """
    return isinstance(path, str) and path.startswith(_PREFIX)


def parse_address(text: str, series: str | None = None) -> Address:
    """Take an address apart.

    Parameters
    ----------
    text
        ``dicomweb+https://HOST/ROOT#SERIES_UID``, or with ``http`` in place of ``https``.
    series
        The SeriesInstanceUID, where the address does not name it.

    Raises
    ------
    MedcontourError
        For an address of another form, and for one that holds a password: those on a command
        line are seen by everyone on the machine.

    Examples
    --------
    >>> parse_address("dicomweb+https://pacs.example/dicom-web/#1.2.3")
    Address(root='https://pacs.example/dicom-web', series='1.2.3')
    """
    try:
        url = urlsplit(text.removeprefix(_PREFIX))
        host, port = url.hostname, url.port
    except ValueError:
        host = port = url = None
    if url is not None and (url.username is not None or url.password is not None):
        raise MedcontourError(
            "The address holds a name or password, which others on this machine can see; leave it "
            "out and put it into a netrc file or the environment (docs/how-to/dicomweb.md)."
        )
    plain = host and re.fullmatch(r"[\w.-]+", host)
    if url is None or url.scheme not in ("http", "https") or not plain or url.query or port == 0:
        raise MedcontourError(f"The address of the DICOMweb service is malformed; {_FORM}.")
    named = url.fragment or None
    if named and series and named != series:
        raise MedcontourError(
            f"The address names the series {named} and another is chosen ({series}); leave one out."
        )
    chosen = named or series
    if chosen is not None and not UID.fullmatch(chosen):
        raise MedcontourError(
            f"{chosen} is no SeriesInstanceUID (digits and dots, 64 at most); {_FORM}."
        )
    return Address(f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}", chosen)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
