"""The scans that are learned from: read, scored, explained; from them to a training set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from medcontour.checked.records import ScanRecords
from medcontour.checked.scans import CheckedScan
from medcontour.checked.truth import truth_of
from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError
from medcontour.learning.explained import SliceOutlines, explained
from medcontour.learning.images import LearningImage, drawn, images_of, same_size, sampled
from medcontour.learning.training_set import TrainingSet
from medcontour.pipeline.calibrating import run_key
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet
from medcontour.progress import Progress
from medcontour.scan import Scan, read_scan

__all__ = ["LearningSet"]


@dataclass
class LearningSet:
    """Scans, and the images of them that are learned from.

    Attributes
    ----------
    classifier, target, settings
        What scores and explains them.
    notes
        What a reader should know: the scans that were left out, each with the reason.
    listed
        The scans.
    images
        Their slices with the finding or a reader's mask, and as many of the others.
    """

    classifier: Classifier
    target: int
    settings: Settings
    notes: list[str]
    listed: Sequence[CheckedScan] = ()
    images: list[LearningImage] = field(default_factory=list)

    @property
    def positive(self) -> list[LearningImage]:
        """The images with the finding, in the order of a training set."""
        return [image for image in self.images if image.positive]

    def read(self, listed: Sequence[CheckedScan], progress: Progress | None) -> None:
        """Read and score scans; one that cannot be used is named in a note.

        Raises
        ------
        MedcontourError
            Where none can be used, or the classifier finds nothing on any.
        """
        self.listed = listed
        keys: dict[str, int] = {}
        names = ScanRecords(None, "")
        for number, checked in enumerate(listed):
            try:
                scan = self._scan(number)
                if (same := keys.setdefault(names.key(scan), number)) != number:
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
        if not self.images:
            raise MedcontourError(" ".join(["No scan could be used.", *self.notes[:3]]))
        self.images = same_size(self.images)
        if not self.positive:
            raise MedcontourError(
                f"The classifier finds {self.classifier.labels[self.target]} on none of "
                f"{len(self.images)} images: there is nothing to learn outlines from; add scans on "
                "which it does."
            )
        if len(self.positive) == len(self.images):
            self.notes.append(
                "The classifier finds something on every image: the networks see none without."
            )

    def explain(self, file: Path, most: int, progress: Progress | None) -> dict[int, SliceOutlines]:
        """What is suggested on a sample of the images that nobody corrected, by place.

        Parameters
        ----------
        file
            Where it is kept while the work goes on.
        most
            So many images; whole scans, the last of which may have some more.
        progress
            Called as the work goes on.
        """
        counts = Counter(image.scan for image in self.positive if image.mask is None)
        chosen: list[int] = []  # scans, until there are enough images
        for number in np.random.default_rng(self.settings.seed).permutation(list(counts)).tolist():
            if sum(counts[one] for one in chosen) >= most:
                break
            chosen.append(number)
        records = ScanRecords(file, run_key(self.classifier, self.target, self.settings))
        places = {(image.scan, image.slice): n for n, image in enumerate(self.images)}
        found: dict[int, SliceOutlines] = {}
        for done, number in enumerate(chosen):
            own = [image for image in self.images if image.scan == number]
            given = explained(self._scan(number), own, self.classifier, self.settings, records)
            found |= {places[number, k]: each for k, each in given.items() if (number, k) in places}
            if progress is not None:
                progress("optimise", done + 1, len(chosen))
        return found

    def training_set(self, outlined: Mapping[int, SliceOutlines]) -> TrainingSet:
        """The images with the finding, with outlines (by place) and what readers drew as masks."""
        positive = [n for n, image in enumerate(self.images) if image.positive]
        height, width = self.images[0].inputs.shape[-2:]
        masks = np.zeros((len(positive), height, width), np.float32)
        for place, n in enumerate(positive):
            mask = self.images[n].mask
            if mask is not None:
                masks[place] = mask
            elif n in outlined:
                masks[place] = drawn(outlined[n].outlines, (height, width))
        without = [image.inputs for image in self.images if not image.positive]
        shape = self.images[0].inputs.shape
        return TrainingSet(
            images=torch.stack([self.images[n].inputs for n in positive]),
            groups=np.array([self.images[n].scan for n in positive]),
            masks=masks,
            corrected=np.array([self.images[n].mask is not None for n in positive]),
            without=torch.stack(without) if without else torch.zeros(0, *shape),
        )

    def _scan(self, number: int) -> Scan:
        return read_scan(self.listed[number].path, series=self.listed[number].series)


def _some(images: Sequence[LearningImage]) -> list[LearningImage]:
    """The slices of a scan with the finding or a reader's mask, and as many of the others."""
    kept = [image for image in images if image.positive or image.mask is not None]
    others = [image for image in images if not (image.positive or image.mask is not None)]
    return [*kept, *sampled(others, max(1, len(kept)), 0)]
