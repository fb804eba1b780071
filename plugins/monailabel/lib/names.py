"""The names of a saved label map's values, which clients send apart from it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["beside_names", "segment_names"]


def segment_names(info: dict[str, Any]) -> list[str]:
    """Give the names of the values 1, 2, ..., in the order of the client's segments."""
    listed = info.get("label_info") or []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        return []
    return [str(item.get("name") or item.get("SegmentLabel") or "") for item in listed]


@contextmanager
def beside_names(label: Path, info: dict[str, Any]) -> Iterator[Path]:
    """Give a copy of a NIfTI label map with an ITK-SNAP description of its names beside it."""
    names = [" ".join(name.split()).replace('"', "'") for name in segment_names(info)]
    if not any(names) or not label.name.endswith((".nii", ".nii.gz")):
        yield label
        return
    with tempfile.TemporaryDirectory() as folder:
        ending = ".nii.gz" if label.name.endswith(".gz") else ".nii"
        copy = Path(folder) / f"label{ending}"
        shutil.copyfile(label, copy)
        lines = [f'{value} 255 255 255 1 1 1 "{name}"' for value, name in enumerate(names, 1)]
        (Path(folder) / "label.txt").write_text("\n".join(lines), encoding="utf-8")
        yield copy
