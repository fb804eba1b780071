"""Records of a run as lines of JSON, so that a run that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["append_lines", "read_lines"]


def append_lines(file: Path, records: Iterable[dict[str, Any]]) -> None:
    """Add records to a file, one a line; never onto the line at which a run was stopped."""
    with file.open("ab+") as lines:
        if lines.tell():
            lines.seek(-1, 2)
            if lines.read() != b"\n":
                lines.write(b"\n")
        lines.writelines(json.dumps(record).encode() + b"\n" for record in records)


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Give what `append_lines` wrote, without the line at which a run was stopped."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record
