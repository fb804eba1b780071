"""The address of a series in an archive, and what is refused before any request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import medcontour as mc
from medcontour.dicomweb import Address, parse_address


@pytest.mark.parametrize(
    ("text", "series", "address"),
    [
        ("https://pacs.example/dicom-web#1.2.3", None, ("https://pacs.example/dicom-web", "1.2.3")),
        ("https://pacs.example:8443/a/b/#1.2", None, ("https://pacs.example:8443/a/b", "1.2")),
        ("http://127.0.0.1:8042/dicom-web", "1.2", ("http://127.0.0.1:8042/dicom-web", "1.2")),
        ("https://pacs.example/rs", None, ("https://pacs.example/rs", None)),
    ],
)
def test_an_address_is_taken_apart(
    text: str, series: str | None, address: tuple[str, str | None]
) -> None:
    parsed = parse_address(f"dicomweb+{text}", series)
    assert parsed == Address(*address)
    assert parse_address(parsed.text) == parsed


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("dicomweb+https://anna:geheim@pacs.example/dicom-web#1.2", "netrc"),
        ("dicomweb+ftp://pacs.example/dicom-web#1.2", "malformed"),
        ("dicomweb+https:///dicom-web#1.2", "malformed"),
        ("dicomweb+https://pacs.example:port/dicom-web#1.2", "malformed"),
        ("dicomweb+https://pacs.example/dicom-web?token=geheim#1.2", "malformed"),
        ("dicomweb+https://pacs.example/dicom-web#../../etc", "no SeriesInstanceUID"),
        ("dicomweb+https:/pacs.example/dicom-web#1.2", "malformed"),  # as a path library writes it
    ],
)
def test_another_form_is_refused_in_a_sentence(
    address: str, words: str, medcontour: Callable[..., object]
) -> None:
    answer = medcontour("info", address)
    assert answer.code == 1
    assert words in answer.err
    assert "geheim" not in answer.err + answer.out
    assert "Traceback" not in answer.err


def test_only_one_series_is_named() -> None:
    with pytest.raises(mc.MedcontourError, match="leave one out"):
        mc.read_scan("dicomweb+https://pacs.example/rs#1.2", series="1.3")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"TOKEN": "geheim", "HOST": "pacs.example"}, "not sent to pacs.example over http"),
        ({"TOKEN": "geheim"}, "MEDCONTOUR_DICOMWEB_HOST=pacs.example"),
        ({"TOKEN": "geheim", "HOST": "other.example"}, "MEDCONTOUR_DICOMWEB_HOST=pacs.example"),
        ({"TOKEN": "ge heim", "HOST": "pacs.example"}, "holds letters that no token has"),
        ({"USER": "anna"}, "together"),
        ({"USER": "anna", "PASSWORD": "geheim", "TOKEN": "geheim"}, "unset"),
        ({"TOKEN_FILE": "/no/such/file"}, "TOKEN_FILE names no file"),
        ({"CA": "/no/such/file"}, "CA names no file"),
        ({"CERTIFICATE": "/no/such/file"}, "CERTIFICATE names no file"),
        ({"TIMEOUT": "soon"}, "TIMEOUT is no number"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_secret_that_cannot_be_used_is_refused_before_any_request(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret goes to the host that it is for, and not in the clear; no message holds it."""
    for name, value in variables.items():
        monkeypatch.setenv(f"MEDCONTOUR_DICOMWEB_{name}", value)
    with pytest.raises(mc.MedcontourError) as refused:
        mc.read_scan("dicomweb+http://pacs.example/rs#1.2")
    assert words in str(refused.value)
    assert "heim" not in str(refused.value)


def test_a_netrc_password_is_not_sent_in_the_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine pacs.example login anna password geheim\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(mc.MedcontourError, match="over http"):
        mc.read_scan("dicomweb+http://pacs.example/rs#1.2")
