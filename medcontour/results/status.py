"""What a finding is said to be."""

from __future__ import annotations

from typing import Literal

__all__ = ["Status"]

Status = Literal["suggested", "no better than chance", "collapsed", "drawn by a reader"]
