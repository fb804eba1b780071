"""The outliner that settings name, ready for a classifier."""

from __future__ import annotations

from pathlib import Path

import torch

from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError
from medcontour.outline import LearnedNetworks, Outliner, outliner
from medcontour.outline.learned_file import read_card, read_networks
from medcontour.pipeline.settings import LEARNED

__all__ = ["given_outliner"]


def given_outliner(name: str, classifier: Classifier, target: int) -> Outliner | LearnedNetworks:
    """Give what ``learned:FILE`` names, or an outliner as `medcontour.outline.outliner` does.

    Raises
    ------
    MedcontourError
        Where there is none, or it was learned with another classifier or class.
    """
    if name.startswith(LEARNED):
        return _learned(Path(name.removeprefix(LEARNED)), classifier, target)
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


def _read(path: Path, classifier: Classifier) -> LearnedNetworks:
    channels = next(iter(classifier.network.parameters())).shape[1]
    image = torch.zeros(1, channels, 64, 64, device=classifier.device)
    networks, card = read_networks(path, classifier.network, image)
    return LearnedNetworks(networks, float(card["level"]))
