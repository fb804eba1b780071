from .curves import Curve, edited_curves, take_over_curves
from .files import LABEL_MAP_ENDINGS, NothingToWrite, write_curves, write_label_map
from .nothing import nothing_suggested
from .order import Order, evidence_strength, weakest_first
from .setup import Setup
from .starts import clicked, drawn
from .studies import Workspace, digest
from .summary import summary

__all__ = [
    "LABEL_MAP_ENDINGS",
    "Curve",
    "NothingToWrite",
    "Order",
    "Setup",
    "Workspace",
    "clicked",
    "digest",
    "drawn",
    "edited_curves",
    "evidence_strength",
    "nothing_suggested",
    "summary",
    "take_over_curves",
    "weakest_first",
    "write_curves",
    "write_label_map",
]
