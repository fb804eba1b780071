"""What is in an image and not of the patient: the surround, and marks put on by people."""

from medcontour.shortcuts.body import body_mask
from medcontour.shortcuts.marks import Marks, find_marks
from medcontour.shortcuts.share import (
    Share,
    ShortcutShares,
    filled_in,
    share_on,
    shortcut_shares,
)

__all__ = [
    "Marks",
    "Share",
    "ShortcutShares",
    "body_mask",
    "filled_in",
    "find_marks",
    "share_on",
    "shortcut_shares",
]
