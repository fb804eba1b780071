"""What the files of a MONAI bundle say, read without running any of its code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcontour.classifier.reasons import reason
from medcontour.errors import MedcontourError
from medcontour.limits import read_text

__all__ = ["BundleFiles", "labels_of", "network_class_of", "read_files", "uses_sigmoid"]

NETWORK = ("network_def", "network", "net")
"""Keys under which a configuration may have its network."""

DEEPEST, MOST = 100, 1_000_000
"""How deep the values of a configuration may nest, and how many there may be."""

WEIGHTS = ("model.safetensors", "model.pt", "model.ts")


@dataclass(frozen=True)
class BundleFiles:
    """A bundle's own words.

    Attributes
    ----------
    folder
        Where it is.
    metadata, config
        ``configs/metadata.json`` and ``configs/inference.json`` (or ``.yaml``) as they stand:
        nothing in them is evaluated.
    metadata_file, config_file
        Where those are.
    weights
        The file of weights; None where there is none.
    """

    folder: Path
    metadata: dict[str, Any]
    config: dict[str, Any]
    metadata_file: Path
    config_file: Path
    weights: Path | None

    @property
    def name(self) -> str:
        """From the metadata, or the folder's name."""
        return str(self.metadata.get("name") or self.folder.resolve().name)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """In the order of the outputs; None where the metadata names none."""
        return labels_of(self.metadata, str(self.metadata_file))


def read_files(folder: Path) -> BundleFiles:
    """Read the configuration of a MONAI bundle as text.

    Raises
    ------
    MedcontourError
        When a file is missing or cannot be read.
    """
    metadata_file = folder / "configs" / "metadata.json"
    if not metadata_file.exists():
        raise MedcontourError(
            f"{folder} is no MONAI bundle: it has no configs/metadata.json; give a bundle's "
            "folder, or a TorchScript file."
        )
    metadata = _read(metadata_file)
    candidates = [folder / "configs" / f"inference{end}" for end in (".json", ".yaml", ".yml")]
    config_file = next((path for path in candidates if path.exists()), None)
    if config_file is None:
        raise MedcontourError(
            f"The bundle {folder} has no configs/inference.json (or .yaml), which names its "
            "network and its preprocessing; add it."
        )
    places = [folder / "models" / name for name in WEIGHTS]
    weights = next((path for path in places if path.exists()), None)
    return BundleFiles(folder, metadata, _read(config_file), metadata_file, config_file, weights)


def labels_of(metadata: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    """Give the labels of ``network_data_format.outputs.pred.channel_def``; None without it."""
    found: Any = metadata
    for key in ("network_data_format", "outputs", "pred", "channel_def"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not found:
        return None
    try:
        labels = {int(index): str(label) for index, label in found.items()}
    except (AttributeError, ValueError):
        labels = {}
    if not labels or sorted(labels) != list(range(len(found))):
        raise MedcontourError(
            f"{where} has a channel_def that does not number its classes from 0; write it as "
            '{"0": "no lesion", "1": "lesion"}.'
        )
    return tuple(labels[index] for index in range(len(labels)))


def network_class_of(config: Mapping[str, Any]) -> str | None:
    """Give the class of the network as the configuration writes it; None where it does not."""
    for key in NETWORK:
        found = config.get(key)
        if isinstance(found, Mapping) and isinstance(found.get("_target_"), str):
            return str(found["_target_"])
    return None


def uses_sigmoid(config: Mapping[str, Any]) -> bool:
    """Say whether the configuration's postprocessing applies a sigmoid."""

    def found(item: Any) -> bool:
        if isinstance(item, Mapping):
            target = str(item.get("_target_", "")).rpartition(".")[2]
            if target.startswith("Activations") and item.get("sigmoid") is True:
                return True
            return any(found(part) for part in item.values())
        return isinstance(item, list) and any(found(part) for part in item)

    return found(config.get("postprocessing"))


def _read(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path)
        content = json.loads(text) if path.suffix == ".json" else _yaml(text)
        _check_extent(content)
    except MedcontourError:
        raise
    except Exception as error:  # json's and yaml's own errors have no common class
        raise MedcontourError(
            f"{path} cannot be read ({reason(error)}); mend or replace it."
        ) from error
    if not isinstance(content, dict):
        raise MedcontourError(f"{path} holds no names and values; mend or replace it.")
    return content


def _check_extent(content: Any) -> None:
    """Refuse values without end: YAML's aliases can repeat a list in a list, a billion times."""
    waiting, count = [(content, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        inside = item.values() if isinstance(item, Mapping) else item
        if isinstance(item, (Mapping, list)):
            waiting += [(part, depth + 1) for part in inside]
        count += 1
        if depth > DEEPEST or count + len(waiting) > MOST:
            raise ValueError("its values repeat or nest without end")


def _yaml(text: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    return yaml.safe_load(text)
