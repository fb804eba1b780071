"""One method on images, several at once where it takes them, judged one by one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, is_dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medcontour.benchmark.compare.outlines import NEAR, START
from medcontour.benchmark.compare.record import Case, Record
from medcontour.benchmark.methods import Explainer, attribution
from medcontour.benchmark.metrics import (
    agreement,
    best_iou,
    complexity,
    deletion_auc,
    faithfulness_correlation,
    insertion_auc,
    pointing_game,
    relevance_mass,
    relevance_rank,
    sparseness,
)
from medcontour.benchmark.network import explained, score_of
from medcontour.classifier import Classifier
from medcontour.explain import BACKGROUNDS, PRESETS
from medcontour.record_lines import append_lines

__all__ = ["MethodRecords", "identity"]

STEPS = 50
"""Of the insertion and deletion curves."""

NOISE = 0.01
"""Standard deviation of what is added to an image for its stability, as a share of its range."""


@dataclass(frozen=True)
class MethodRecords:
    """Asks methods about images that have no record yet, and judges what they give.

    Attributes
    ----------
    model
        The network that the methods explain.
    out
        The folder with ``records.jsonl`` and ``maps``.
    seed
        Of the metrics that draw.
    known
        Records of before, by their keys.
    stability
        How often each image is explained once more with a little noise.
    """

    model: Classifier
    out: Path
    seed: int
    known: dict[str, Record]
    stability: int = 0

    def together(self, repeats: list[Explainer]) -> int:
        """How many images the method takes at once."""
        if self.model.outputs == "embedding":  # each image has a network of its own
            return 1
        return int(getattr(repeats[0], "together", 1))

    def map_file(self, key: str) -> Path:
        """Where the map of a record is kept."""
        return self.out / "maps" / f"{key}.npy"

    def records(
        self, name: str, repeats: list[Explainer], cases: list[Case], shown: list[Case]
    ) -> Iterator[Record]:
        """Records of images, those that are missing made and written; maps of some are kept."""
        own = identity(name, repeats[0])
        keys = {a.item.name: self._key(a, own, len(repeats)) for a in cases}
        missing = []
        for one in cases:
            if (record := self.known.get(keys[one.item.name])) is not None:
                yield record
            else:
                missing.append(one)
        most = self.together(repeats)
        for _, group in groupby(missing, key=lambda one: one.inputs.shape):
            alike = list(group)
            for first in range(0, len(alike), most):
                some = alike[first : first + most]
                for record, mask in self._made(name, repeats, some, keys):
                    append_lines(self.out / "records.jsonl", [asdict(record)])
                    if mask is not None and any(record.image == a.item.name for a in shown):
                        np.save(self.map_file(record.key), mask.float().cpu().numpy())
                    yield record

    @cached_property
    def _network(self) -> list[str]:
        return [self.model.name, self.model.weights_sha256, self.model.outputs]

    def _key(self, case: Case, method: str, runs: int) -> str:
        digest = hashlib.sha256(case.inputs.contiguous().cpu().numpy().tobytes())
        digest.update(case.truth.cpu().numpy().tobytes())
        presets = [repr(PRESETS.get(name)) for name in ("fast", "paper")]
        settings = [method, self.seed, runs, STEPS, *presets]
        if case.drawing is not None:
            settings += ["outlines", START, NEAR, case.item.spacing]
        if case.not_patient is not None:
            settings += ["shortcuts"]
        if self.stability:
            settings += ["stability", self.stability, NOISE]
        network = [*self._network, int(case.target)]
        digest.update(json.dumps([case.item.name, settings, network]).encode())
        return digest.hexdigest()[:16]

    def _made(
        self, name: str, repeats: list[Explainer], some: list[Case], keys: dict[str, str]
    ) -> Iterator[tuple[Record, Tensor | None]]:
        try:
            made = self._figures(repeats, some)
        except Exception as error:  # a method is anybody's code
            if len(some) > 1:  # the others do not pay for one of them
                for one in some:
                    yield from self._made(name, repeats, [one], keys)
                return
            text = str(error).strip().splitlines()
            said = f"{type(error).__name__}: {text[-1] if text else 'without a message'}"
            image = some[0].item.name
            yield Record(image, name, keys[image], error=said), None
            return
        for one, (values, mask) in zip(some, made, strict=True):
            yield Record(one.item.name, name, keys[one.item.name], values), mask

    def _figures(
        self, repeats: list[Explainer], some: list[Case]
    ) -> list[tuple[dict[str, float], Tensor]]:
        """What the records of images of one shape hold, and their maps (H, W)."""
        inputs = torch.cat([one.inputs for one in some])
        targets = torch.cat([one.target for one in some])
        begun = _now(self.model.device)
        contour = getattr(repeats[0], "draws_contour", False)
        # Contours follow an embedding's cosine (Eq. 6); the rest its dot product, which has a
        # gradient at the image itself.
        network = explained(self.model, inputs, cosine=contour).network
        found = attribution(repeats[0], network, inputs, targets)
        seconds = (_now(self.model.device) - begun) / len(some)
        others = [
            attribution(method, network, inputs, targets).maps[:, 0] for method in repeats[1:]
        ]
        altered = [
            attribution(
                repeats[0], explained(self.model, noisy, cosine=contour).network, noisy, targets
            ).maps[:, 0]
            for noisy in (_noisy(inputs, self.seed + k) for k in range(self.stability))
        ]
        made = []
        for row, one in enumerate(some):
            maps = found.maps[row]
            values = _judged(self.model, one, maps, [m[row : row + 1] for m in others], self.seed)
            if altered:
                pairs = [agreement(torch.stack([maps, m[row : row + 1]])) for m in altered]
                values |= {"stability": float(torch.cat(pairs).mean())}
            if one.drawing is not None:
                values |= one.drawing.figures(maps[0], contour=contour)
            if one.not_patient is not None:
                values |= one.not_patient.figures(maps[0])
            values |= {"evaluations": float(found.evaluations[row]), "seconds": seconds}
            made.append((values, maps[0]))
        return made


def _noisy(images: Tensor, seed: int) -> Tensor:
    """Images with a little noise: the same on all of a shape, whatever shares their batch."""
    chance = torch.Generator().manual_seed(seed)
    noise = torch.randn(images.shape[1:], generator=chance).to(images)
    flat = images.flatten(1)
    spread = (flat.amax(1) - flat.amin(1)).view(-1, *(1,) * (images.ndim - 1))
    return images + NOISE * spread * noise


def identity(name: str, method: Explainer) -> str:
    """Tell a method apart from others of its name by its settings."""
    return f"{name} {method!r}" if is_dataclass(method) else name


def _judged(
    model: Classifier, case: Case, maps: Tensor, others: list[Tensor], seed: int
) -> dict[str, float]:
    truth, images = case.truth, case.inputs
    score = score_of(model, images, case.target)
    blurred = BACKGROUNDS["blur"]
    given = {
        "relevance_rank": relevance_rank(maps, truth),
        "relevance_mass": relevance_mass(maps, truth),
        "complexity": complexity(maps),
        "sparseness": sparseness(maps),
        "faithfulness_10": faithfulness_correlation(score, images, maps, runs=10, seed=seed),
        "faithfulness_100": faithfulness_correlation(score, images, maps, runs=100, seed=seed),
        "insertion_auc": insertion_auc(score, images, maps, steps=STEPS, baseline=blurred),
        "deletion_auc": deletion_auc(score, images, maps, steps=STEPS),
        "pointing_game": pointing_game(maps, truth),
        "best_iou": best_iou(maps, truth),
    }
    if others:
        given["agreement"] = agreement(torch.stack([maps, *others]))
    return {name: float(value[0]) for name, value in given.items()}


def _now(device: torch.device) -> float:
    if device.type == "cuda":  # work that is queued is not done
        torch.cuda.synchronize(device)
    return time.perf_counter()
