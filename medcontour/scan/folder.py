"""The files of a folder and of the folders in it, each once, and what is no file of it."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FolderFiles", "folder_files"]

_PREAMBLE, _MAGIC = 128, b"DICM"


@dataclass(frozen=True)
class FolderFiles:
    """Files in the order of their names, and how many of what was passed over.

    What a computer hides (a name that starts with a dot, ``__MACOSX``) counts as passed over only
    where it is DICOM: its own notes are nobody's loss.
    """

    files: tuple[Path, ...]
    passed_over: Counter[str]

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what was passed over, without a name: one may be a patient's."""
        if not self.passed_over:
            return ()
        listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(self.passed_over.items()))
        return (f"Not all that is in the folder could be looked into: passed over were {listed}.",)


def folder_files(root: Path) -> FolderFiles:
    """Find the files below a folder; links are followed, and each folder and file is taken once.

    A link to a folder around `root` leads out of it and is not followed.

    Parameters
    ----------
    root
        A folder, or a file, which is then the only one.
    """
    if not root.is_dir():
        return FolderFiles((root,), Counter())
    files: dict[tuple[int, int] | Path, Path] = {}
    passed: Counter[str] = Counter()
    around = {_identity(folder, folder.stat()) for folder in root.resolve().parents}
    seen = {_identity(root, root.stat())}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(folder.iterdir(), reverse=True)
        except OSError:
            passed["folders that may not be opened"] += 1
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                passed["hidden DICOM files"] += _hidden_dicom(entry)
                continue
            try:
                status = entry.stat()
            except OSError:
                passed["links that lead nowhere" if entry.is_symlink() else "unreadable files"] += 1
                continue
            identity = _identity(entry, status)
            if stat.S_ISREG(status.st_mode):
                files.setdefault(identity, entry)
            elif not stat.S_ISDIR(status.st_mode):
                passed["pipes, sockets or devices"] += 1
            elif identity in around:
                passed["links to a folder around it"] += 1
            elif identity not in seen:
                seen.add(identity)
                waiting.append(entry)
    return FolderFiles(tuple(sorted(files.values())), +passed)


def _identity(path: Path, status: os.stat_result) -> tuple[int, int] | Path:
    """Tell a file from all others, whatever links lead to it."""
    return (status.st_dev, status.st_ino) if status.st_ino else path.resolve()


def _hidden_dicom(entry: Path) -> int:
    """Count the DICOM files that a hidden file is, or that a hidden folder holds itself."""
    try:
        inside = list(entry.iterdir()) if entry.is_dir() else [entry]
        return sum(_starts_as_dicom(file) for file in inside if file.is_file())
    except OSError:
        return 0


def _starts_as_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC
