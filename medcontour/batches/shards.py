"""Parts of a batch that run apart from each other: which series each takes, and its worklist."""

from __future__ import annotations

import re
from dataclasses import dataclass

from medcontour.errors import MedcontourError

__all__ = ["WHOLE", "Shard", "shard_of"]


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count`.

    Which series are its own hangs on where they are alone: the parts can run at any time, anywhere,
    and again.
    """

    number: int
    count: int

    def has(self, part: int) -> bool:
        """Whether a series, by its `Study.part`, is of this shard."""
        return part % self.count == self.number - 1

    @property
    def worklist(self) -> str:
        """The name of its worklist: shards that share a folder have one each."""
        end = f"-{self.number}-of-{self.count}" if self.count > 1 else ""
        return f"worklist{end}.sqlite"


WHOLE = Shard(1, 1)


def shard_of(text: str | None) -> Shard:
    """Read ``I/N``; None is the whole.

    Raises
    ------
    MedcontourError
        For another text.

    Examples
    --------
    >>> shard_of("3/8")
    Shard(number=3, count=8)
    >>> shard_of(None).worklist, shard_of("3/8").worklist
    ('worklist.sqlite', 'worklist-3-of-8.sqlite')
    """
    if text is None:
        return WHOLE
    found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise MedcontourError(
            f'"{text}" is no shard; write I/N, for example 3/8 for the third of eight.'
        )
    return Shard(int(found[1]), int(found[2]))
