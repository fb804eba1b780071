from .curve import deletion_auc, insertion_auc
from .faithful import faithfulness_correlation
from .place import best_iou, pointing_game, relevance_mass, relevance_rank
from .score import Baseline, Score
from .spread import agreement, complexity, overlap, sparseness

__all__ = [
    "Baseline",
    "Score",
    "agreement",
    "best_iou",
    "complexity",
    "deletion_auc",
    "faithfulness_correlation",
    "insertion_auc",
    "overlap",
    "pointing_game",
    "relevance_mass",
    "relevance_rank",
    "sparseness",
]
