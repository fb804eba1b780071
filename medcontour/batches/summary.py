"""The summary of a batch: a table, and one page that opens each report, what needs a look first."""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medcontour.batches.page import write_page
from medcontour.batches.worklist import Row, rows_of, worklists
from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.limits import read_text

__all__ = ["COLUMNS", "look_first", "write_summaries", "write_summary"]

COLUMNS = (
    "study",
    "state",
    "reason",
    "scan",
    "series_instance_uid",
    "modality",
    "slices",
    "findings",
    "suggested",
    "score",
    "trust",
    "conformal_p_value",
    "strength",
    "evaluations",
    "seconds",
    "notes",
    "medcontour",
    "report",
)
"""Of the table, one line a series; what is not known is empty."""

_STATES = ("failed", "changed", "waiting", "done")


def write_summaries(out: Path) -> list[Path]:
    """Join what the worklists in a folder and the folders in it say, run by run.

    Returns
    -------
    The folders of the runs, each with its summary.

    Raises
    ------
    MedcontourError
        Where there is no worklist, or one cannot be read.
    """
    runs: dict[str, list[tuple[Path, Row]]] = {}
    for file in worklists(out):
        for run, rows in rows_of(file).items():
            runs.setdefault(run, []).extend((file.parent / f"run-{run}", row) for row in rows)
    if not runs:
        raise MedcontourError(f"{out} holds no worklist of `medcontour batch`; check the path.")
    written = []
    for run, found in runs.items():
        folder = out / f"run-{run}"
        folder.mkdir(exist_ok=True)
        _write(folder, found)
        written.append(folder)
    return written


def write_summary(out: Path, run: str) -> Counter[str]:
    """Write the summary of one run from all worklists that lie in `out` itself.

    Returns
    -------
    How many series are in which state.
    """
    folder = out / f"run-{run}"
    files = [file for file in worklists(out) if file.parent == out]
    found = [(folder, row) for file in files for row in rows_of(file).get(run, ())]
    return _write(folder, found)


def look_first(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give what series are ordered by, those that need a look first at the top.

    What failed, what changed, what still waits; then series whose findings are all no better than
    random places or collapsed; then those with findings, the least trusted first, and without trust
    the weakest; then those without a finding, the highest score first.
    """
    if entry["state"] != "done":
        return (_STATES.index(entry["state"]), 0.0, 0.0, entry["study"])
    score = entry["score"] or 0.0
    if not entry["findings"]:
        return (6, 0.0, -score, entry["study"])
    if not entry["suggested"]:
        return (4, 0.0, -score, entry["study"])
    trust = math.inf if entry["trust"] is None else entry["trust"]
    strength = math.inf if entry["strength"] is None else entry["strength"]
    return (5, trust, strength, entry["study"])


def _write(folder: Path, found: Iterable[tuple[Path, Row]]) -> Counter[str]:
    latest: dict[str, tuple[Path, Row]] = {}
    for where, row in found:
        before = latest.get(row.series)
        if before is None or _rank(row) > _rank(before[1]):
            latest[row.series] = where, row
    entries = [_entry(row, where, folder) for where, row in latest.values()]
    entries.sort(key=look_first)
    with (
        replacing(folder / "summary.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(entries)
    if find_spec("pyarrow") is not None:
        _write_parquet(folder / "summary.parquet", entries)
    try:
        record = read_text(folder / "run.json")
    except OSError:  # the runs of shards are elsewhere
        record = None
    write_page(folder / "summary.html", entries, record)
    return Counter(entry["state"] for entry in entries)


def _rank(row: Row) -> tuple[bool, bool, float]:
    """Of two rows on one series: the one that is done, else the one that ended later."""
    return row.state == "done", row.state != "waiting", row.ended or 0.0


def _entry(row: Row, where: Path, folder: Path) -> dict[str, Any]:
    """One line of the table; the report's path is from the summary's folder."""
    facts = row.facts
    entry = {name: facts.get(name) for name in COLUMNS}
    entry |= {"study": row.series, "state": row.state, "reason": row.reason}
    entry["series_instance_uid"] = facts.get("series")
    if row.state == "done":
        name = "report.html" if "report.html" in facts.get("files", ()) else "suggestion.json"
        entry["report"] = Path(os.path.relpath(where / row.series / name, folder)).as_posix()
    return entry


def _write_parquet(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    whole = ("slices", "findings", "suggested", "notes")
    number = ("score", "trust", "conformal_p_value", "strength", "evaluations", "seconds")
    kinds = {name: pyarrow.int64() for name in whole} | {n: pyarrow.float64() for n in number}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    with replacing(path) as temporary:
        parquet.write_table(pyarrow.Table.from_pylist(list(entries), schema), temporary)
