"""From a classifier and scans to an outliner of one's own."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medcontour.checked.scans import CheckedScan, checked_scans
from medcontour.checked.truth import truth_of
from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.learning.constants import EXPLAINED, LEAST_AGREEMENT, LEAST_OUTLINES
from medcontour.learning.edited import edits_of
from medcontour.learning.images import LearningImage, drawn, images_of, same_size, sampled
from medcontour.learning.rounds import Known, Round, in_rounds
from medcontour.learning.seeds import Explained, Outlined, digest
from medcontour.outline.learned_file import read_card, write_networks
from medcontour.pipeline.calibrating import calibration_key
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet, keep_private
from medcontour.progress import Progress
from medcontour.scan import Scan, read_scan

__all__ = ["Learned", "learn", "learn_with"]

NOT_FOR = (
    "It draws where the classifier says that the finding is; it does not say whether it is there. "
    "It carries the errors of the outlines that it was taught, and says nothing of scans unlike "
    "these. It is no medical device."
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
    """Teach a network to outline, on scans without masks.

    A sample of the images on which the classifier finds something is explained, and small networks
    that start from the classifier's own encoder are taught the outlines found. What one network
    draws on images that it was not taught says which outlines to believe, and how large they are;
    in a second round that takes the place of those that are not borne out.

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
    _check_free(out)
    listed, notes = checked_scans(scans)
    work = _Work(classifier, target_index(classifier, settings.target), settings, [*notes])
    work.read(edits_of(listed, edits, work.notes), progress)
    unfinished = out.with_name(f"{out.name}.unfinished")
    unfinished.mkdir(exist_ok=True)
    outlined = work.explain(unfinished / "explained.jsonl", images, progress)
    known = work.known(outlined)
    report = progress or (lambda *_: None)
    run = _run(known)

    def kept(number: int, place: int) -> Path:
        return unfinished / f"{run}-{number}-{place}.safetensors"

    made = in_rounds(
        classifier.network,
        known,
        settings.seed,
        lambda done, most: report("learn", done, most),
        kept,
    )
    card = work.card(known, outlined, made)
    write_networks(out, made.networks, card)
    shutil.rmtree(unfinished)
    return Learned(card, (*work.notes, *_said(made)))


@dataclass
class _Work:
    """What was read so far."""

    classifier: Classifier
    target: int
    settings: Settings
    notes: list[str]
    listed: list[CheckedScan] = field(default_factory=list)
    images: list[LearningImage] = field(default_factory=list)

    def read(self, listed: Sequence[CheckedScan], progress: Progress | None) -> None:
        """Read and score scans; one that cannot be used is named in a note."""
        self.listed = list(listed)
        digests: dict[str, int] = {}
        for number, checked in enumerate(listed):
            try:
                scan = self._scan(number)
                if (same := digests.setdefault(digest(scan), number)) != number:
                    raise MedcontourError(f"it is the same as scan {same + 1}; each counts once.")
                truth = None if checked.mask is None else truth_of(checked.mask, scan)
                found = images_of(scan, number, self.classifier, self.target, truth)
            except MedcontourError as error:
                name = discreet(checked.path.name)
                self.notes.append(f"Scan {number + 1} ({name}) was left out: {error}")
                continue
            self.images += _some(found)
            if progress is not None:
                progress("classify", number + 1, len(listed))
        channels = {image.inputs.shape[0] for image in self.images}
        if not self.images:
            raise MedcontourError(" ".join(["No scan could be used.", *self.notes[:3]]))
        assert len(channels) == 1  # the classifier's
        self.images = same_size(self.images)
        positive = sum(image.positive for image in self.images)
        if not positive:
            raise MedcontourError(
                f"The classifier finds {self.classifier.labels[self.target]} on none of "
                f"{len(self.images)} images: there is nothing to learn outlines from; add scans on "
                "which it does."
            )
        if positive == len(self.images):
            self.notes.append(
                "The classifier finds something on every image: the networks see none without."
            )

    def explain(self, file: Path, most: int, progress: Progress | None) -> dict[int, Outlined]:
        """What is suggested on a sample of the images that nobody corrected, by place."""
        counts = Counter(
            image.scan for image in self.images if image.positive and image.mask is None
        )
        chosen: list[int] = []  # scans, until there are enough images
        for number in np.random.default_rng(self.settings.seed).permutation(list(counts)).tolist():
            if sum(counts[one] for one in chosen) >= most:
                break
            chosen.append(number)
        run = f"{self.classifier.weights_sha256} {self.target} {calibration_key(self.settings)}"
        explained = Explained(file, run)
        places = {(image.scan, image.slice): n for n, image in enumerate(self.images)}
        found: dict[int, Outlined] = {}
        for done, number in enumerate(chosen):
            scan = self._scan(number)
            every = [image for image in self.images if image.scan == number]
            suggested = explained.of(scan, every, self.classifier, self.settings)
            found |= {
                places[number, k]: outlined
                for k, outlined in suggested.items()
                if (number, k) in places
            }
            if progress is not None:
                progress("optimise", done + 1, len(chosen))
        return found

    def known(self, outlined: dict[int, Outlined]) -> Known:
        """What is known before anything is learned."""
        positive = [n for n, image in enumerate(self.images) if image.positive]
        shape = tuple(self.images[0].inputs.shape[-2:])
        masks = np.zeros((len(positive), *shape), np.float32)
        for place, n in enumerate(positive):
            mask = self.images[n].mask
            if mask is not None:
                masks[place] = mask
            elif n in outlined:
                masks[place] = drawn(outlined[n].outlines, (shape[0], shape[1]))
        known = Known(
            images=torch.stack([self.images[n].inputs for n in positive]),
            groups=np.array([self.images[n].scan for n in positive]),
            masks=masks,
            corrected=np.array([self.images[n].mask is not None for n in positive]),
            without=torch.stack(
                [image.inputs for image in self.images if not image.positive]
                or [torch.zeros_like(self.images[0].inputs)]
            )[: sum(not image.positive for image in self.images)],
        )
        groups = len(set(known.groups[known.given].tolist()))
        if known.given.sum() < LEAST_OUTLINES or groups < 3:
            raise MedcontourError(
                f"Too few images have an outline to learn from: {int(known.given.sum())}, of "
                f"{groups} scans; {LEAST_OUTLINES} of 3 scans are needed. "
                "Add scans, or corrected ones."
            )
        return known

    def card(self, known: Known, outlined: dict[int, Outlined], made: Round) -> dict[str, Any]:
        """What the file says of itself."""
        shortcuts = sum(each.shortcut for each in outlined.values())
        return {
            "version": version("medcontour"),
            "classifier_sha256": self.classifier.weights_sha256,
            "target": self.target,
            "target_name": self.classifier.labels[self.target],
            "settings": calibration_key(self.settings),
            "images": len(self.images),
            "positive": len(known.images),
            "explained": len(outlined),
            "outlined": int((known.given & ~known.corrected).sum()),
            "corrected": int(known.corrected.sum()),
            "level": made.level,
            "agreement": made.agreement,
            "borne_out": made.borne_out,
            "with_shortcuts": shortcuts,
            "reliable": made.agreement >= LEAST_AGREEMENT,
            "not_for": NOT_FOR,
        }

    def _scan(self, number: int) -> Scan:
        return read_scan(self.listed[number].path, series=self.listed[number].series)


def _some(images: Sequence[LearningImage]) -> list[LearningImage]:
    """The slices of a scan with the finding or a reader's mask, and as many of the others."""
    kept = [image for image in images if image.positive or image.mask is not None]
    others = [image for image in images if not (image.positive or image.mask is not None)]
    return [*kept, *sampled(others, max(1, len(kept)), 0)]


def _run(known: Known) -> str:
    """A name for what is learned from: networks of another are not taken up."""
    made = hashlib.blake2b(digest_size=8)
    for array in (known.images.numpy(), known.masks, known.corrected, known.without.numpy()):
        made.update(np.ascontiguousarray(array).data)
    return made.hexdigest()


def _said(made: Round) -> list[str]:
    if made.agreement >= LEAST_AGREEMENT:
        return []
    return [
        f"Networks find the outlines again with Dice {made.agreement:.2f} on images that they were "
        "not taught: too little to draw by. With this file the image's own boundaries are given; "
        "correct some images, and learn with --edits."
    ]


def _check_free(out: Path) -> None:
    """Refuse a file that cannot be written, or is something else, before the work."""
    keep_private(out)
    if out.is_dir() or not out.parent.is_dir():
        raise MedcontourError(
            f"{out} cannot be written: give the name of a file in a folder that is there, such as "
            "outliner.safetensors."
        )
    if out.exists():
        try:
            read_card(out)
        except MedcontourError as error:
            raise MedcontourError(
                f"{out} is there already and is no learned outliner; choose another name, or "
                "remove it."
            ) from error
