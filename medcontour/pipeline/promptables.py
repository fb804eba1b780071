"""The promptable network that settings name, ready for a classifier's slices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch

from medcontour.classifier import Classifier
from medcontour.outline import PromptableModel, Redrawn
from medcontour.outline.promptable import licence_note, load_promptable, named_model
from medcontour.pipeline.settings import PROMPTED_PREFIX, OutlineChoice, prompted_parts
from medcontour.scan import Scan
from medcontour.scan.values import grey_values

__all__ = ["is_prompted", "licence_notes", "promptable_model", "redrawn"]


def is_prompted(choice: OutlineChoice) -> bool:
    """Whether a promptable network is to draw."""
    return not isinstance(choice, str) or choice.startswith(PROMPTED_PREFIX)


def redrawn(
    choice: OutlineChoice, classifier: Classifier, scan: Scan, slices: Sequence[int]
) -> Redrawn | None:
    """Give what draws outlines on some slices anew; None where settings name no such network.

    Raises
    ------
    MedcontourError
        Where it cannot be loaded.
    """
    if not is_prompted(choice):
        return None
    pictures = [grey_values(scan.voxels[k], scan.window) for k in slices]
    return Redrawn(promptable_model(choice, classifier), pictures)


def licence_notes(choice: OutlineChoice, classifier: Classifier) -> tuple[str, ...]:
    """Say which promptable network outlines were drawn with, and its licence; nothing of others."""
    return (licence_note(promptable_model(choice, classifier)),) if is_prompted(choice) else ()


def promptable_model(choice: OutlineChoice, classifier: Classifier) -> PromptableModel:
    """Load the promptable network of a choice that `is_prompted`.

    Raises
    ------
    MedcontourError
        Where it cannot be loaded.
    """
    if not isinstance(choice, str):
        return named_model(choice)
    name, path = prompted_parts(choice)
    return _loaded(name, path, classifier.device, _state(path))


@lru_cache(maxsize=1)
def _loaded(name: str, path: Path | None, device: torch.device, _: object) -> PromptableModel:
    """Load a network once for slice after slice; the last argument is the state of its files."""
    return load_promptable(name, path, device)


def _state(path: Path | None) -> tuple[tuple[int, int], ...]:
    """What changes where somebody puts other weights at a path."""
    if path is None or not path.exists():
        return ()
    files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
    return tuple((file.stat().st_size, file.stat().st_mtime_ns) for file in files)
