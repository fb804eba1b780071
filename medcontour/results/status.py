"""What a finding is said to be."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["EXPORTED", "STATUSES", "SUGGESTED", "Status"]

Status = Literal[
    "suggested",
    "suggested, deletion keeps the class",
    "drawn by a reader",
    "no better than random places",
    "collapsed",
]

STATUSES: tuple[Status, ...] = get_args(Status)
"""All of them, the strongest first."""

SUGGESTED: tuple[Status, ...] = ("suggested", "suggested, deletion keeps the class")
"""Better than random places. The first is necessary as well: without it the class is gone."""

EXPORTED: tuple[Status, ...] = (*SUGGESTED, "drawn by a reader")
"""What label maps, structure sets and curves hold without `include_weak`."""
