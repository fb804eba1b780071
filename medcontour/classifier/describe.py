"""What a bundle or TorchScript file says of itself, without running any of its code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from medcontour.classifier.bundle_files import labels_of, network_class_of, read_files
from medcontour.classifier.torchscript import extra_files, is_torchscript

__all__ = ["describe_files"]


def describe_files(path: Path) -> dict[str, Any]:
    """Describe a MONAI bundle's folder or a TorchScript file by what stands in its files.

    Nothing is built, imported or evaluated: what the network really takes and gives shows only
    when it is loaded.

    Returns
    -------
    dict
        ``name``; ``labels``, None where none are named; ``network``, its class as the
        configuration writes it, or None; ``weights``, the file's name, or None;
        ``weights_sha256`` of the weights as they stand in the file (that of the loaded network,
        where names and number formats are the same), or None.

    Raises
    ------
    MedcontourError
        When the path is neither, or a file cannot be read.
    """
    if path.is_dir():
        files = read_files(path)
        name, labels, weights = files.name, files.labels, files.weights
        network = network_class_of(files.config)
    else:
        extra = extra_files(path)
        metadata = extra.get("metadata.json", {})
        name, labels = str(metadata.get("name") or path.stem), labels_of(metadata, str(path))
        network, weights = "TorchScript", path
    return {
        "name": name,
        "labels": None if labels is None else list(labels),
        "network": network,
        "weights": None if weights is None else weights.name,
        "weights_sha256": _sha256(weights),
    }


def _sha256(weights: Path | None) -> str | None:
    """Give the digest of a file of weights; None of TorchScript, which is not opened."""
    if weights is None or (zipfile.is_zipfile(weights) and is_torchscript(weights)):
        return None
    from medcontour.classifier.weights import read_states, state_sha256

    return state_sha256(next(read_states(weights)))
