"""Which study to look at first: the one whose evidence is weakest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medcontour.results import Suggestion
from medcontour.workspace.studies import Workspace

__all__ = ["Order", "evidence_strength", "weakest_first"]

MOST_NEW = 3
"""Studies that one request looks at for the first time: a choice, a few minutes' wait at most."""


@dataclass(frozen=True)
class Order:
    """Studies, the one whose evidence is weakest first.

    Attributes
    ----------
    strengths
        By study, in order; None, and last, for a study without findings.
    not_looked_at
        How many studies are in no order, since nothing has been suggested for them yet.
    """

    strengths: dict[str, float | None]
    not_looked_at: int


def evidence_strength(suggestion: Suggestion) -> float | None:
    """Mean over the findings' slices that were looked at of preserved minus deleted.

    1 where each contour by itself keeps the classifier's score and its removal takes it away; a
    contour no better than random places, or collapsed, counts 0. None without a finding.
    """
    strengths = [
        max(0.0, part.evidence.preserved - part.evidence.deleted) if part.suggested else 0.0
        for part in suggestion.slices
        if part.evidence
    ]
    return sum(strengths) / len(strengths) if strengths else None


def weakest_first(workspace: Workspace, studies: Sequence[str], most_new: int = MOST_NEW) -> Order:
    """Order studies by how weak their evidence is.

    Parameters
    ----------
    workspace
        Where suggestions are kept.
    studies
        Those to put in order.
    most_new
        How many of them may be looked at now where nothing has been suggested yet.
    """
    known = {}
    for study in studies:
        kept = workspace.kept(study)
        if kept is not None:
            known[study] = evidence_strength(kept)
    unknown = [study for study in sorted(studies) if study not in known]
    for study in unknown[:most_new]:
        known[study] = evidence_strength(workspace.suggestion(study))
    order = sorted(known, key=lambda study: (known[study] is None, known[study] or 0.0, study))
    return Order({study: known[study] for study in order}, len(unknown[most_new:]))
