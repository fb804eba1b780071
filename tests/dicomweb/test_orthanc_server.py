"""The test server itself: an Orthanc that nobody outside this machine can reach."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from orthanc_server import running_orthanc

pytestmark = pytest.mark.orthanc

LOOPBACK = ("0100007F", "00000000000000000000000001000000")


def _listening() -> set[tuple[str, str]]:
    """Addresses and ports that are listened on, as the kernel writes them."""
    tables = [Path(table).read_text() for table in ("/proc/net/tcp", "/proc/net/tcp6")]
    sockets = [line.split() for table in tables for line in table.splitlines()[1:]]
    pairs = [socket[1].split(":") for socket in sockets if socket[3] == "0A"]
    return {(address, port) for address, port in pairs}


def test_it_answers_with_its_dicomweb_plugin_on_the_loopback_alone(tmp_path: Path) -> None:
    before = _listening()
    with running_orthanc(tmp_path) as orthanc:
        with urllib.request.urlopen(f"{orthanc.dicomweb}/studies", timeout=10) as answer:
            assert json.load(answer) == []
        with urllib.request.urlopen(f"{orthanc.rest}/plugins", timeout=10) as answer:
            assert "dicom-web" in json.load(answer)
        new = _listening() - before
    assert (LOOPBACK[0], f"{orthanc.port:04X}") in new
    assert all(address in LOOPBACK for address, _ in new)
