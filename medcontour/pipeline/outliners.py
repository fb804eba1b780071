"""The outliner that settings name, ready for a classifier."""

from __future__ import annotations

from pathlib import Path

import torch

from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError
from medcontour.outline import Outliner, outliner
from medcontour.outline.learned import LearnedOutliner
from medcontour.outline.learned_file import read_card, read_networks

__all__ = ["LEARNED", "given_outliner", "learned_outliner"]

LEARNED = "learned:"
"""How the name of a learned outliner begins; its file follows."""


def given_outliner(name: str, classifier: Classifier, target: int) -> Outliner:
    """Give an outliner by its name: ``learned:FILE``, or one of `medcontour.outline.outliner`.

    Raises
    ------
    MedcontourError
        Where there is none, or it was learned with another classifier or class.
    """
    if name.startswith(LEARNED):
        return learned_outliner(Path(name.removeprefix(LEARNED)), classifier, target)
    return outliner(name)


def learned_outliner(path: Path, classifier: Classifier, target: int) -> Outliner:
    """Read what `medcontour learn` wrote, for the classifier that it was learned with.

    Where the set could not be learned, as its card says, this is the image's own boundaries.

    Raises
    ------
    MedcontourError
        For another file, classifier or class.
    """
    card = read_card(path)
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
    if not card.get("reliable"):
        return outliner("region")
    return _read(path, classifier)


def _read(path: Path, classifier: Classifier) -> LearnedOutliner:
    channels = next(iter(classifier.network.parameters())).shape[1]
    image = torch.zeros(1, channels, 64, 64, device=classifier.device)
    networks, card = read_networks(path, classifier.network, image)
    return LearnedOutliner(networks, float(card["level"]))
