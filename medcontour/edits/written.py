"""The report of an edit as files."""

from __future__ import annotations

import os
from pathlib import Path

from medcontour.edits.job import Refined
from medcontour.edits.picture import write_pictures
from medcontour.errors import MedcontourError
from medcontour.files import replacing

__all__ = ["check_no_edit", "check_out", "write_report"]


def check_out(
    out: str | os.PathLike[str],
    suggestion: str | os.PathLike[str],
    edited: str | os.PathLike[str],
) -> None:
    """Refuse to write an edit where the suggestion, or the edited file, stands.

    Raises
    ------
    MedcontourError
        When the folder `out` holds either; links are followed.
    """
    folder = Path(out).expanduser().resolve()
    for what, path in (("suggestion", Path(suggestion)), ("edited file", Path(edited))):
        there = path.expanduser().resolve()
        if folder == there or (folder == there.parent and not _is_result(there)):
            raise MedcontourError(
                f"{out} holds the {what} that is read and would be written over; choose another "
                "folder."
            )


def check_no_edit(out: str | os.PathLike[str]) -> None:
    """Refuse to write a new suggestion where an edit stands.

    Raises
    ------
    MedcontourError
        When the folder `out` holds the report of an edit.
    """
    if (Path(out).expanduser() / "edit_report.json").exists():
        raise MedcontourError(
            f"{out} holds a reader's edit and would be written over; choose another folder."
        )


def _is_result(path: Path) -> bool:
    """Whether a folder stands for the suggestion in it: nothing is written beside it."""
    return (path / "suggestion.json").is_file()


def write_report(refined: Refined, out: Path) -> list[str]:
    """Write ``edit_report.json`` and ``.md``, and a picture of each changed slice, into a folder.

    Returns
    -------
    The names of what was written; the pictures are in the folder ``before_after``.

    Raises
    ------
    MedcontourError
        When the folder, which must exist, cannot be written.
    """
    for name, text in (
        ("edit_report.json", refined.report.to_json()),
        ("edit_report.md", refined.report.to_markdown()),
    ):
        with replacing(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    pictures = write_pictures(refined, out / "before_after")
    return ["edit_report.json", "edit_report.md", *(["before_after"] if pictures else [])]
