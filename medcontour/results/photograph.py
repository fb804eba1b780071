"""The evidence contour of one photograph."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Photograph", "PhotographEvidence"]

SCHEMA = "medcontour/photograph/1"


@dataclass(frozen=True)
class PhotographEvidence:
    """What a contour holds of a network's score.

    Attributes
    ----------
    measure
        What the scores below are: the ``"probability"`` of the class, or the ``"cosine"`` to
        the photograph's own embedding.
    original, background
        Of the photograph, and of its background alone.
    preserved, deleted
        With only the contour's inside kept, and with it taken away.
    random_preserved, random_deleted
        Means of the same over the curve turned and moved to random places, in altered views.
    p_value, views_held, views_tested, stable_under_mirroring
        Of the placement test, as `Evidence` has them.
    evaluations
        Preserve + delete pairs, forward and backward, that found the contour.
    """

    measure: str
    original: float
    background: float
    preserved: float
    deleted: float
    random_preserved: float
    random_deleted: float
    p_value: float
    views_held: int
    views_tested: int
    stable_under_mirroring: bool
    evaluations: float


@dataclass(frozen=True)
class Photograph:
    """The evidence contour of one photograph under one network.

    Attributes
    ----------
    file
        The photograph's name, without its folder.
    rows, columns
        Its size.
    network, weights_sha256
        Which network it is.
    class_index, class_name
        The class that is explained: None for an embedding, a name where the network has names.
    settings
        Preset, background, seed.
    evidence
        How strong it is.
    points
        The contour: (column, row) index of the photograph as shown, pixel centres are integers.
        Parts outside what the network was shown are drawn in to its edge.
    area_fraction
        Of what the network was shown.
    notes
        Plain sentences that a reader should know.
    """

    file: str
    rows: int
    columns: int
    network: str
    weights_sha256: str
    class_index: int | None
    class_name: str | None
    settings: dict[str, Any]
    evidence: PhotographEvidence
    points: tuple[tuple[float, float], ...]
    area_fraction: float
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What is explained, in words."""
        if self.class_index is None:
            return "its own embedding"
        return self.class_name or f"class {self.class_index}"

    def to_json(self) -> str:
        """Serialise; the same content gives the same text."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, allow_nan=False) + "\n"
