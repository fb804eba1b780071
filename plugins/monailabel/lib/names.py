"""Names: of a label map's values, which clients send apart from it, and of an image's folder."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medcontour.files import make_folder, replacing

__all__ = ["beside_names", "folder_of", "segment_names"]

SALT = "salt"


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


def folder_of(image: str, root: Path) -> Path:
    """Give the folder in `root` for what is kept of an image: a digest of the image's name.

    It is salted with a random number of this `root`, so that a digest cannot be looked up.
    """
    salt = make_folder(root) / SALT
    if not salt.is_file():
        with replacing(salt) as temporary:
            temporary.write_text(secrets.token_hex(16), encoding="ascii")
    key = salt.read_text(encoding="ascii").encode()
    return root / hashlib.blake2b(image.encode(), key=key, digest_size=12).hexdigest()
