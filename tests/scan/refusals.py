"""Files that cannot be read, and the sentence that each is refused with."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
from scan_files import volume

from medcontour.errors import MedcontourError
from medcontour.scan import read_scan


def refusal(path: Path, **options: str) -> str:
    """The sentence that `path` is refused with, checked for what every refusal must keep."""
    with pytest.raises(MedcontourError) as caught:
        read_scan(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert "ecret" not in message.lower().replace(str(path).lower(), "")
    assert "1901" not in message
    return message


def png(path: Path) -> Path:
    PIL.Image.fromarray(volume((20, 30)).astype(np.uint8)).save(path)
    return path


def nifti(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def cut(path: Path, part: float = 0.5) -> Path:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * part)])
    return path
