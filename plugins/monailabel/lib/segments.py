"""What MONAI Label's clients say of a label map's values, apart from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["scribble_number", "segment_names"]

SCRIBBLE = "foreground_scribbles"
"""What 3D Slicer's module calls its layer of foreground scribbles."""


def segment_names(info: Mapping[str, Any]) -> list[str]:
    """Give the names of the values 1, 2, ..., in the order of the client's segments."""
    listed = info.get("label_info") or []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        return []
    return [str(item.get("name") or item.get("SegmentLabel") or "") for item in listed]


def scribble_number(info: Mapping[str, Any]) -> int | None:
    """Give the value of 3D Slicer's scribbles, which sends all segments of the scene; or None."""
    names = segment_names(info)
    return names.index(SCRIBBLE) + 1 if SCRIBBLE in names else None
