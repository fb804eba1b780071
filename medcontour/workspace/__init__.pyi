from .files import LABEL_MAP_ENDINGS, NothingToWrite, write_curves, write_label_map
from .order import Order, evidence_strength, weakest_first
from .setup import Setup
from .starts import clicked, drawn
from .studies import Workspace
from .summary import summary

__all__ = [
    "LABEL_MAP_ENDINGS",
    "NothingToWrite",
    "Order",
    "Setup",
    "Workspace",
    "clicked",
    "drawn",
    "evidence_strength",
    "summary",
    "weakest_first",
    "write_curves",
    "write_label_map",
]
