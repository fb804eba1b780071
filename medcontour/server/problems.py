"""What went wrong, in one sentence and with a status: nothing of the patient, and no path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from medcontour.privacy import discreet

__all__ = ["Problem", "without_paths"]


class Problem(Exception):
    """What a client can mend: an HTTP status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def without_paths(sentence: str, roots: Iterable[Path]) -> str:
    """Give a sentence in which paths below some folders are called "the file".

    Examples
    --------
    >>> without_paths("/srv/scans/a/b.nii.gz is an empty file; copy it again.", [Path("/srv")])
    'the file is an empty file; copy it again.'
    """
    plain = discreet(sentence)
    every = {str(each) for root in roots for each in (root, root.resolve()) if len(each.parts) > 1}
    for root in sorted(every, key=len, reverse=True):
        plain = re.sub(rf"{re.escape(root)}(?:[/\\][^\s;,:()]*)?", "the file", plain)
        plain = re.sub(rf"{re.escape(discreet(root))}(?:[/\\][^\s;,:()]*)?", "the file", plain)
    return plain
