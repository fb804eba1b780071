"""The page of a batch: every series with its figures and its report, what needs a look on top."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medcontour.files import replacing
from medcontour.report import words
from medcontour.report.html import page_templates

__all__ = ["write_page"]


def write_page(path: Path, entries: Sequence[Mapping[str, Any]], record: str | None) -> None:
    """Write one self-contained HTML file: no script, nothing fetched.

    Parameters
    ----------
    path
        The file to write.
    entries
        The lines of the table (`medcontour.batches.summary.COLUMNS`), in their order.
    record
        What ``run.json`` says of the run, where it is known.
    """
    states = Counter(entry["state"] for entry in entries)
    done = [entry for entry in entries if entry["state"] == "done"]
    run = {} if record is None else json.loads(record)
    stream = (
        page_templates("medcontour.batches")
        .get_template("summary.html")
        .stream(
            research=words.RESEARCH,
            undone=[entry for entry in entries if entry["state"] in ("failed", "changed")],
            done=done,
            states=states,
            found=sum(bool(entry["suggested"]) for entry in done),
            calibrated=any(entry["trust"] is not None for entry in done),
            classifier=run.get("classifier"),
            settings=words.entries(run.get("settings", {})),
        )
    )
    with replacing(path) as temporary:
        stream.dump(str(temporary), encoding="utf-8")
