"""Which study to look at next: the one whose evidence is weakest."""

from __future__ import annotations

from typing import Any

from monailabel.interfaces.tasks.strategy import Strategy

from medcontour.workspace import Workspace, weakest_first

__all__ = ["WeakestEvidence"]


class WeakestEvidence(Strategy):
    """Orders studies without a label by how weak their evidence is."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__("The study whose evidence is weakest; those without a finding last")
        self.workspace = workspace

    def __call__(self, request: dict[str, Any], datastore: Any) -> dict[str, Any] | None:
        """Give the study to look at next, how strong its evidence is, and how many are unknown."""
        order = weakest_first(self.workspace, datastore.get_unlabeled_images())
        if not order.strengths:
            return None
        ranked = [{"id": s, "evidence_strength": value} for s, value in order.strengths.items()]
        return {**ranked[0], "order": ranked, "not_looked_at": order.not_looked_at}
