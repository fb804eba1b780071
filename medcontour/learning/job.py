"""From a classifier and scans to an outliner of one's own."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from medcontour.checked.edited import edits_of
from medcontour.checked.scans import checked_scans
from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.files import check_output, make_folder
from medcontour.learning.constants import EXPLAINED, LEAST_AGREEMENT, LEAST_OUTLINES
from medcontour.learning.continued import CONTINUED, continued
from medcontour.learning.explained import SliceOutlines
from medcontour.learning.learning_set import LearningSet
from medcontour.learning.rounds import ROUNDS, Round, Training, in_rounds
from medcontour.learning.training import TRAINING
from medcontour.learning.training_set import TrainingSet
from medcontour.outline import LearnedNetworks
from medcontour.outline.learned_file import read_card, write_networks
from medcontour.outline.segmentation import SegmentationNetwork
from medcontour.pipeline.calibrating import calibration_key
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.outliners import check_card, learned_networks
from medcontour.pipeline.settings import Settings
from medcontour.progress import Progress, named

__all__ = ["Learned", "learn", "learn_with"]

NOT_FOR = (
    "It draws where the classifier says that the finding is; it does not say whether it is there. "
    "It carries the errors of the outlines that it was trained on, and says nothing of scans "
    "unlike these. It is no medical device."
)


@dataclass(frozen=True)
class Learned:
    """What was learned.

    Attributes
    ----------
    card
        What the file says of itself: plain values.
    notes
        What a reader should know: scans that were left out, and why.
    """

    card: dict[str, Any]
    notes: tuple[str, ...]


def learn(
    scans: str | os.PathLike[str],
    classifier: AnyClassifier,
    out: str | os.PathLike[str],
    *,
    edits: str | os.PathLike[str] | None = None,
    images: int = EXPLAINED,
    labels: Sequence[str] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Learned:
    """Train networks to outline, on scans without masks.

    A sample of the images on which the classifier finds something is explained, and small networks
    that start from the classifier's own encoder are trained on the outlines found. What a network
    draws on images that it left out says which outlines to believe, and how large they are; in a
    second round that takes the place of those that are not confirmed.

    Where `out` is there already, of this classifier and class, and some scans were corrected,
    nothing is explained: its networks are trained on, for a minute, with the corrections.

    Parameters
    ----------
    scans
        A folder of images or of series, or a list (CSV) with a column ``scan`` and, where a reader
        drew some, ``mask``: see `medcontour.checked.checked_scans`. Those that are to be outlined
        later may be among them.
    classifier
        As `suggest` takes it.
    out
        The file to write (safetensors), for ``outline="learned:FILE"``. What a stopped run did is
        kept beside it, and the same call goes on.
    edits
        A folder with what readers corrected, in any format that `refine` reads, each file named as
        its scan is (or in a folder named so); DICOM objects are matched by their study.
    images
        So many are explained at most.
    labels
        Names of the classes, for a network that comes without.
    progress
        Called as the work goes on.
    **settings
        As `Settings` says.

    Raises
    ------
    MedcontourError
        Where nothing can be learned from the scans, and as `suggest`.

    Examples
    --------
    >>> import medcontour as mc
    >>> mc.learn("scans/", "bundle/", "outliner.safetensors")  # doctest: +SKIP
    >>> mc.suggest("a.png", "bundle/", outline="learned:outliner.safetensors")  # doctest: +SKIP
    """
    loaded = given_classifier(classifier, labels)
    chosen = Settings(**settings)
    return learn_with(scans, loaded, chosen, Path(out), edits, images, progress)


def learn_with(
    scans: str | os.PathLike[str],
    classifier: Classifier,
    settings: Settings,
    out: Path,
    edits: str | os.PathLike[str] | None = None,
    images: int = EXPLAINED,
    progress: Progress | None = None,
) -> Learned:
    """As `learn`, with all that can be chosen as one `Settings`."""
    if images < 1:
        raise MedcontourError(f"{images} images cannot be explained; give a number from 1 on.")
    check_output(out, "outliner.safetensors", "learned outliner", _is_outliner)
    target = target_index(classifier, settings.target)
    listed, notes = checked_scans(scans)
    learning = LearningSet(classifier, target, settings, [*notes])
    learning.read(edits_of(listed, edits, learning.notes), progress)
    known = learning.training_set({})
    unfinished = make_folder(out.with_name(f"{out.name}.unfinished"))
    before = _last(out, classifier, target) if known.corrected.any() else None
    if before is None:
        outlined = learning.explain(unfinished / "explained.jsonl", images, progress)
        known = learning.training_set(outlined)
        _check_enough(known)
        training = _training(classifier, settings, known, unfinished, progress)
        made = in_rounds(known, training)
        card = _card(learning, known) | _of_outlines(known, outlined, made)
        networks: Sequence[SegmentationNetwork] = made.networks
        learning.notes += _said(made)
    else:
        learning.notes.append(
            "The file is there already: its networks are trained on with what was corrected, and "
            "nothing is explained. To learn anew, remove it."
        )
        last, card = before
        training = _training(classifier, settings, known, unfinished, progress, out)
        networks = continued(known, last, training).networks
        card |= _card(learning, known)
    write_networks(out, networks, known.shape, card)
    shutil.rmtree(unfinished)
    return Learned(card, tuple(learning.notes))


def _last(
    out: Path, classifier: Classifier, target: int
) -> tuple[LearnedNetworks, dict[str, Any]] | None:
    """The networks of the file that is to be written, and its card; None where none can go on."""
    if not out.exists():
        return None
    card = read_card(out)
    try:
        check_card(card, out, classifier, target)
    except MedcontourError:
        return None  # of another classifier or class
    return (learned_networks(out, classifier), card) if card["reliable"] else None


def _training(
    classifier: Classifier,
    settings: Settings,
    known: TrainingSet,
    unfinished: Path,
    progress: Progress | None,
    start: Path | None = None,
) -> Training:
    """How networks are trained, and kept while the work goes on; `start` is the last file."""
    run = hashlib.blake2b(b"" if start is None else start.read_bytes(), digest_size=8)
    for array in (known.images.numpy(), known.masks, known.corrected, known.without.numpy()):
        run.update(np.ascontiguousarray(array).data)  # of others none is taken up
    name = run.hexdigest()
    return Training(
        network=classifier.network,
        seed=settings.seed,
        step=named("learn", progress) or (lambda *_: None),
        kept=lambda number: unfinished / f"{name}-{number}.safetensors",
        networks=ROUNDS.folds * (ROUNDS.rounds if start is None else 1),
        constants=TRAINING if start is None else CONTINUED.training,
    )


def _check_enough(known: TrainingSet) -> None:
    groups = len(set(known.groups[known.given].tolist()))
    if known.given.sum() < LEAST_OUTLINES or groups < ROUNDS.folds:
        raise MedcontourError(
            f"Too few images have an outline to learn from: {int(known.given.sum())}, of "
            f"{groups} scans; {LEAST_OUTLINES} of {ROUNDS.folds} scans are needed. "
            "Add scans, or corrected ones."
        )


def _card(learning: LearningSet, known: TrainingSet) -> dict[str, Any]:
    """What a file says of the classifier and the images."""
    return {
        "version": version("medcontour"),
        "classifier_sha256": learning.classifier.weights_sha256,
        "target": learning.target,
        "target_name": learning.classifier.labels[learning.target],
        "settings": calibration_key(learning.settings),
        "images": len(learning.images),
        "positive": len(known.images),
        "corrected": int(known.corrected.sum()),
        "not_for": NOT_FOR,
    }


def _of_outlines(
    known: TrainingSet, outlined: Mapping[int, SliceOutlines], made: Round
) -> dict[str, Any]:
    """What a file says of the outlines that were learned from, and how well that went."""
    return {
        "threshold": made.threshold,
        "agreement": made.agreement,
        "reliable": made.agreement >= LEAST_AGREEMENT,
        "explained": len(outlined),
        "outlined": int((known.given & ~known.corrected).sum()),
        "confirmed": made.confirmed,
        "with_shortcuts": sum(each.shortcut for each in outlined.values()),
    }


def _said(made: Round) -> list[str]:
    if made.agreement >= LEAST_AGREEMENT:
        return []
    return [
        f"On images that they left out, networks find the outlines again with Dice "
        f"{made.agreement:.2f}: too little to draw by. With this file the image's own boundaries "
        "are given; correct some images, and learn with --edits."
    ]


def _is_outliner(file: Path) -> bool:
    try:
        read_card(file)
    except MedcontourError:
        return False
    return True
