"""The report of an edit as files."""

from __future__ import annotations

from pathlib import Path

from medcontour.edits.job import Refined
from medcontour.edits.picture import write_pictures
from medcontour.files import replacing

__all__ = ["write_report"]


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
