"""Reads a ``suggestion.json``, or a result folder, as an edit: its outlines and evidence."""

from __future__ import annotations

from pathlib import Path

from medcontour.errors import MedcontourError
from medcontour.formats.content import Content
from medcontour.formats.reader import Reader
from medcontour.formats.shapes import Edited, EditedShape
from medcontour.results import Suggestion
from medcontour.scan import Scan

__all__ = ["read", "reader", "recognises"]

NAME = "suggestion.json"


def recognises(content: Content) -> bool:
    """Whether a file is JSON with a schema, or a folder holds such a file."""
    return "schema" in content.document or (content.path / NAME).is_file()


def read(path: Path, scan: Scan) -> Edited:
    """Read the outlines and the evidence contours.

    Raises
    ------
    MedcontourError
        When it was made for a scan of another size.
    """
    suggestion = Suggestion.read_json(path)
    if tuple(suggestion.scan.shape) != tuple(scan.voxels.shape[:3]):
        raise MedcontourError(f"{path} was made for another scan; give the one of this scan.")
    shapes = [
        EditedShape(finding.name, None, c.slice, c.polygon_lps_mm, kind=c.kind)
        for finding in suggestion.findings
        for c in (*finding.outlines, *finding.evidence_contours)
    ]
    return Edited("suggestion.json", tuple(shapes))


reader = Reader("suggestion", "a suggestion.json", recognises, read)
