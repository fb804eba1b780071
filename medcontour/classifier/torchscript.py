"""TorchScript networks, read from files."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

from medcontour.errors import MedcontourError
from medcontour.limits import check_file

__all__ = ["extra_files", "is_torchscript", "read_torchscript"]

EXTRA = ("metadata.json", "inference.json")
"""What MONAI's export stores beside the network."""

_LARGEST = 10_000_000  # bytes; MONAI's own are a few thousand


def read_torchscript(path: Path, device: Any) -> Any:
    """Read a TorchScript network, in evaluation mode.

    It can run code when it is read and used.

    Raises
    ------
    MedcontourError
        When the file is missing or is no TorchScript.
    """
    import torch

    from medcontour.classifier.weights import check_file as check_there
    from medcontour.classifier.weights import check_packed

    check_there(path)
    check_packed(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated.*")
            network = torch.jit.load(  # type: ignore[no-untyped-call]
                str(path), map_location=device
            )
    except (RuntimeError, ValueError) as error:
        raise _no_torchscript(path) from error
    network.eval()
    return network


def is_torchscript(path: Path) -> bool:
    """Whether a file has the parts of a TorchScript archive."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def extra_files(path: Path) -> dict[str, Any]:
    """Read what MONAI's export stores in a TorchScript file beside the network; runs nothing.

    Returns
    -------
    dict
        Contents of "metadata.json" and "inference.json" by their names, where the file has them.

    Raises
    ------
    MedcontourError
        When the file is no TorchScript, or one of them cannot be read.
    """
    if not is_torchscript(path):
        raise _no_torchscript(path)
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                wanted = next((one for one in EXTRA if name.endswith(f"/extra/{one}")), None)
                if wanted is None:
                    continue
                if archive.getinfo(name).file_size > _LARGEST:
                    raise ValueError(f"{wanted} is too large")
                content = json.loads(archive.read(name) or "{}")
                if not isinstance(content, dict):
                    raise ValueError(f"{wanted} holds no names and values")
                found[wanted] = content
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise _no_torchscript(path) from error
    return found


def _no_torchscript(path: Path) -> MedcontourError:
    return MedcontourError(
        f"{path} is no TorchScript network; give a file written by torch.jit.save, a MONAI "
        "bundle's folder, or from Python a network with weights=."
    )
