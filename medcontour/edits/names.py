"""Names as other tools leave them: underscores for blanks, cut short, numbers behind."""

from __future__ import annotations

import re
from collections.abc import Iterable

from medcontour.formats.labels import Kind

__all__ = ["Key", "Names", "plain"]

Key = tuple[str, Kind]
"""A suggested structure: the finding's name and which of its two kinds of curves."""

SHORTEST = 8
"""Letters of a name that was cut and still says something."""

_OF_SLICE = re.compile(r"^(.*?) slice \d+(?: \d+)?$")
_COPY = re.compile(r"^(.*) (?:copy|\d+)$")


class Names:
    """The names that structures of a suggestion have in files.

    Parameters
    ----------
    called
        Each structure, and what it may be called.

    Examples
    --------
    >>> names = Names([(("lung nodule", "outline"), "lung nodule")])
    >>> names.own("Lung_Nodule slice 7"), names.own("lung nodule_1")
    ([('lung nodule', 'outline')], [])
    >>> names.likely("lung nodule_1"), names.likely("lung nod")
    ([('lung nodule', 'outline')], [('lung nodule', 'outline')])
    """

    def __init__(self, called: Iterable[tuple[Key, str]]) -> None:
        self._called: dict[str, list[Key]] = {}
        for key, name in called:
            self._called.setdefault(plain(name), []).append(key)
            self._called.setdefault(plain(name[:64]), []).append(key)  # DICOM's LO

    def own(self, name: str) -> list[Key]:
        """Structures that are called so, but for blanks, case and a curve's ``slice K``."""
        words = plain(name)
        of_slice = _OF_SLICE.match(words)
        return self._find(words) or (self._find(of_slice[1]) if of_slice else [])

    def likely(self, name: str) -> list[Key]:
        """Structures that are called so but for a number or ``copy`` behind, or a cut."""
        words = plain(name)
        rest = words
        while copy := _COPY.match(rest):
            rest = copy[1]
            of_slice = _OF_SLICE.match(rest)
            found = self._find(rest) or (self._find(of_slice[1]) if of_slice else [])
            if found:
                return found
        if len(words) < SHORTEST:
            return []
        cut = [
            key for whole, keys in self._called.items() if whole.startswith(words) for key in keys
        ]
        return list(dict.fromkeys(cut))

    def _find(self, words: str) -> list[Key]:
        return list(dict.fromkeys(self._called.get(words, [])))


def plain(name: str) -> str:
    """Words of a name in small letters, with blanks between."""
    return re.sub(r"[\W_]+", " ", name).strip().casefold()
