"""Classifiers of chest radiographs by torchxrayvision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from medcontour.classifier.libraries import needed
from medcontour.classifier.photo_input import PhotoInput
from medcontour.classifier.protocol import Gives
from medcontour.classifier.trust import runs_code
from medcontour.errors import MedcontourError

__all__ = ["XRAYS", "Xray", "of_xray", "xray", "xray_input"]

XRAYS = "torchxrayvision"
RANGE = 1024.0
"""torchxrayvision's networks take values from -1024 to 1024."""


@dataclass(frozen=True)
class Xray:
    """A network of torchxrayvision.

    Attributes
    ----------
    network, preparation, labels
        As `medcontour.classifier.named.Named` has them. Outputs that the weights were not trained
        for have no label.
    """

    network: nn.Module
    preparation: PhotoInput
    labels: tuple[str, ...]

    @property
    def outputs(self) -> Gives:
        """Findings do not exclude each other; with thresholds they come as probabilities."""
        thresholds = getattr(self.network, "op_threshs", None) is not None
        squashed = thresholds or getattr(self.network, "apply_sigmoid", False)
        return "probabilities" if squashed else "sigmoid"


def xray(
    name: str, fetched: Callable[[Callable[[], nn.Module], str, str, Path | None], nn.Module]
) -> Xray:
    """Build a network by the name of its weights, such as ``densenet121-res224-all``.

    The published weights are pickled networks, which can run code when they are read.

    Raises
    ------
    MedcontourError
        When torchxrayvision is not installed, has no such weights, or they cannot be had.
    """
    try:
        models: Any = needed(f"{XRAYS}.models", f"The network {XRAYS}:{name}", install=XRAYS)
        sources = {key: value["weights_url"] for key, value in models.model_urls.items()}
    except (AttributeError, KeyError) as error:  # of another revision
        raise MedcontourError(
            f"This torchxrayvision does not list its weights; run pip install -U {XRAYS}."
        ) from error
    if name not in sources:
        raise MedcontourError(
            f'torchxrayvision has no weights "{name}"; choose from {", ".join(sources)}.'
        )
    folder = Path.home() / ".torchxrayvision" / "models_data"
    file = folder / Path(sources[name]).name
    runs_code(f"The weights of {XRAYS}:{name}")
    network = fetched(
        lambda: models.get_model(name), f"{XRAYS}:{name}", f"put {sources[name]} as {file}", file
    )
    return Xray(network, xray_input(network), _labels(network))


def of_xray(network: nn.Module) -> Xray | None:
    """Give preparation and labels of a network that torchxrayvision made; None of any other."""
    if not type(network).__module__.startswith(f"{XRAYS}."):
        return None
    return Xray(network, xray_input(network), _labels(network))


def xray_input(network: nn.Module) -> PhotoInput:
    """Give torchxrayvision's preparation: the middle square, -1024 to 1024, one channel."""
    side = int(getattr(network, "input_resolution", 224))
    return PhotoInput((side, side), side, mean=(0.5,), spread=(0.5 / RANGE,), any_range=True)


def _labels(network: nn.Module) -> tuple[str, ...]:
    return tuple(str(label) for label in getattr(network, "pathologies", ()))
