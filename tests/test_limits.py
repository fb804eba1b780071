"""The memory that may be taken, and what is no file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from medcontour.errors import MedcontourError
from medcontour.limits import check_file, check_memory, memory_limit


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1000", 1000),
        ("4G", 2**32),
        ("4 GB", 2**32),
        ("4gib", 2**32),
        (" 0.5g ", 2**29),
        ("7k", 7 * 2**10),
        ("300MB", 300 * 2**20),
    ],
)
def test_the_limit_is_what_the_variable_says(monkeypatch, text: str, count: int) -> None:
    monkeypatch.setenv("MEDCONTOUR_MEMORY", text)
    assert memory_limit() == count


@pytest.mark.parametrize("text", ["much", "-3G", "0", "4X", "50%", "1e9"])
def test_what_is_no_size_is_refused(monkeypatch, text: str) -> None:
    monkeypatch.setenv("MEDCONTOUR_MEMORY", text)
    with pytest.raises(MedcontourError, match="set it to bytes or to a size"):
        memory_limit()


def test_by_default_it_is_a_quarter_of_the_machine_at_most(monkeypatch) -> None:
    monkeypatch.delenv("MEDCONTOUR_MEMORY", raising=False)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory_limit() <= machine / 4 + 2**20


def test_a_refusal_says_how_much_and_what_to_do(monkeypatch) -> None:
    monkeypatch.setenv("MEDCONTOUR_MEMORY", "1G")
    check_memory(2**30, "x.png", "crop it")
    with pytest.raises(MedcontourError) as refused:
        check_memory(3.2 * 2**30, "x.png", "crop it")
    for part in ("x.png", "3.2 GB", "1 GB", "crop it", "MEDCONTOUR_MEMORY", "to 4G"):
        assert part in str(refused.value)


def test_pipes_sockets_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    there = socket.socket(socket.AF_UNIX)
    there.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "socket", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(MedcontourError, match="no file"):
            check_file(path)
    there.close()
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "absent", Path("a\0b")):
        check_file(path)
