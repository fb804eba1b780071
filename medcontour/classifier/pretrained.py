"""A bundle's network without the published weights that its own then replace."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pydoc import locate
from typing import Any

from monai.bundle.config_item import ConfigComponent

from medcontour.classifier.bundle_files import NETWORK
from medcontour.classifier.libraries import needed

__all__ = ["never_fetching"]

_TORCHVISION = ("TorchVision", "torchvision.")
_AS_PRETRAINED = {
    "inception_v3": {"transform_input": True, "init_weights": False},
    "googlenet": {"transform_input": True, "init_weights": False, "aux_logits": False},
}
"""What torchvision sets of itself where these networks have their published weights."""


def never_fetching(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Give a configuration whose network is built without fetching weights.

    ``pretrained`` becomes false, also where it is a default, and torchvision's ``weights`` None;
    what torchvision changes in a network's forward pass together with its weights stays.

    Parameters
    ----------
    config
        As the bundle has it; it is not changed.
    where
        The file, for error messages.

    Raises
    ------
    MedcontourError
        When the network is torchvision's, and that is not installed.
    """
    return {key: _plain(value, where) if key in NETWORK else value for key, value in config.items()}


def _plain(item: Any, where: str) -> Any:
    if isinstance(item, list):
        return [_plain(part, where) for part in item]
    if not isinstance(item, Mapping):
        return item
    made = {key: _plain(value, where) for key, value in item.items()}
    target = made.get("_target_")
    if not isinstance(target, str) or target.startswith("$"):
        return made
    if any(part in target for part in _TORCHVISION):
        needed("torchvision", f"The network in {where}")
    published = bool(made.get("pretrained")) or made.get("weights") is not None
    if _has_parameter(made, target, "pretrained"):
        made["pretrained"] = False
    if any(part in target for part in _TORCHVISION) and "weights" in made:
        made["weights"] = None
    name = str(made.get("model_name") or target.rpartition(".")[2])
    if published and any(part in target for part in _TORCHVISION):
        made = {**_AS_PRETRAINED.get(name, {}), **made}
    return made


def _has_parameter(component: dict[str, Any], target: str, name: str) -> bool:
    """Whether what a component calls takes a parameter of that name."""
    if name in component:
        return True
    try:
        found = locate(str(ConfigComponent(config=component, id="").resolve_module_name()))
        return name in inspect.signature(found).parameters  # type: ignore[arg-type]
    except Exception:  # what cannot be found is said when it is built
        return False
