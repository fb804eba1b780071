"""Which study to look at next: the one whose evidence is weakest."""

from __future__ import annotations

from typing import Any

from monailabel.interfaces.tasks.strategy import Strategy

import medcontour as mc
from lib.studies import Studies

__all__ = ["WeakestEvidence", "strength"]

AT_ONCE = 3
"""Studies that are looked at in one request where nothing has been suggested for them yet."""


class WeakestEvidence(Strategy):
    """Orders studies without a label by how weak their evidence is."""

    def __init__(self, studies: Studies) -> None:
        super().__init__("The study whose evidence is weakest; those without a finding last")
        self.studies = studies

    def __call__(self, request: dict[str, Any], datastore: Any) -> dict[str, Any] | None:
        """Give the study to look at next, how strong its evidence is, and how many are unknown."""
        waiting = sorted(datastore.get_unlabeled_images())
        known = {}
        for study in waiting:
            kept = self.studies.kept(study)
            if kept is not None:
                known[study] = strength(kept)
        unknown = [study for study in waiting if study not in known]
        for study in unknown[:AT_ONCE]:
            known[study] = strength(self.studies.suggestion(study))
        if not known:
            return None
        order = sorted(known, key=lambda study: (known[study] is None, known[study] or 0.0, study))
        return {
            "id": order[0],
            "evidence_strength": known[order[0]],
            "order": [{"id": study, "evidence_strength": known[study]} for study in order],
            "not_looked_at": len(unknown[AT_ONCE:]),
        }


def strength(suggestion: mc.Suggestion) -> float | None:
    """Mean over the findings of how much of the answer the evidence keeps and takes away.

    1 where each contour by itself keeps the classifier's answer and its removal takes it away; a
    contour no better than chance, or collapsed, counts 0. None without a finding.
    """
    worth = [
        max(0.0, finding.evidence.preserved - finding.evidence.deleted)
        if finding.suggested and finding.evidence
        else 0.0
        for finding in suggestion.findings
    ]
    return sum(worth) / len(worth) if worth else None
