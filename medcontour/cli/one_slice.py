"""What the commands on one slice print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from medcontour.privacy import discreet

if TYPE_CHECKING:
    from medcontour.results import SliceResult

__all__ = ["print_json", "tell"]


def print_json(result: SliceResult, files: Sequence[Path], out: Path) -> None:
    """Print a result as JSON, with the names of its files."""
    names = [path.name for path in files]
    document: dict[str, Any] = json.loads(result.to_json())
    print(json.dumps({"out": discreet(str(out)), "files": names, **document}))


def tell(result: SliceResult, table: Table, files: Sequence[Path], out: Path) -> None:
    """Print a result as a table, with its notes and the names of its files."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    for note in result.notes:
        console.print(f"Note: {escape(note)}")
    console.print(
        f"Wrote {', '.join(path.name for path in files)} in {escape(discreet(str(out)))}."
    )
