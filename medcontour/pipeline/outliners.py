"""The outliner that settings name, ready for a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError
from medcontour.outline import LearnedNetworks, Outliner, outliner
from medcontour.outline.learned_file import read_card, read_networks
from medcontour.pipeline.promptables import is_prompted, promptable_model
from medcontour.pipeline.settings import LEARNED_PREFIX, OutlineChoice

__all__ = ["check_card", "given_outliner", "learned_networks"]


def given_outliner(
    choice: OutlineChoice, classifier: Classifier, target: int
) -> Outliner | LearnedNetworks:
    """Give what ``learned:FILE`` names, or an outliner as `medcontour.outline.outliner` does.

    What a promptable network is prompted by are the image's own boundaries.

    Raises
    ------
    MedcontourError
        Where there is none, it was learned with another classifier or class, or a promptable
        network cannot be loaded.
    """
    if is_prompted(choice):
        promptable_model(choice, classifier)  # fails before any work is done
        return outliner("region")
    name = str(choice)
    if name.startswith(LEARNED_PREFIX):
        return _learned(Path(name.removeprefix(LEARNED_PREFIX)), classifier, target)
    return outliner(name)


def _learned(path: Path, classifier: Classifier, target: int) -> Outliner | LearnedNetworks:
    """Read what `medcontour learn` wrote, for the classifier that it was learned with.

    Where the set could not be learned, as its card says, this is the image's own boundaries.

    Raises
    ------
    MedcontourError
        For another file, classifier or class.
    """
    card = read_card(path)
    check_card(card, path, classifier, target)
    return learned_networks(path, classifier) if card["reliable"] else outliner("region")


def check_card(card: Mapping[str, Any], path: Path, classifier: Classifier, target: int) -> None:
    """Check that a file was learned with a classifier, for one of its classes.

    Raises
    ------
    MedcontourError
        For another classifier or class.
    """
    if card.get("classifier_sha256") != classifier.weights_sha256:
        raise MedcontourError(
            f"{path} was learned with another classifier; learn with this one "
            "(`medcontour learn`), or take the other."
        )
    if card.get("target") != target:
        raise MedcontourError(
            f"{path} was learned for {card.get('target_name')}, and "
            f"{classifier.labels[target]} is looked for; give the file of that class."
        )


def learned_networks(path: Path, classifier: Classifier) -> LearnedNetworks:
    """Read the networks of a file that `check_card` lets pass."""
    networks, card = read_networks(path, classifier.network)
    return LearnedNetworks(networks, float(card["threshold"]))
