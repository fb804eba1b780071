"""What a batch costs: beside a plain loop, in memory over many series, and for its worklist alone.

    python experiments/batch_cost.py speed --out DIR --series 40 --workers 2
    python experiments/batch_cost.py memory --out DIR --series 200
    python experiments/batch_cost.py worklist --out DIR --series 100000

Each writes ``NAME.json`` into DIR and prints it. The series are small chest phantoms with a nodule.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

import medcontour as mc
from medcontour.batches.summary import write_summary
from medcontour.batches.worklist import open_worklist

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
CLASSIFIER = SAMPLE / "nodule_classifier"
SHAPE, SPACING = (6, 64, 84), (5.0, 4.7, 4.2)
"""Slices, rows, columns of a series, and the mm between them."""


def write_archive(root: Path, series: int, single: bool = False) -> Path:
    """Write phantoms as DICOM series, each in a folder of its own; `single` is one slice each."""
    sys.path.insert(0, str(SAMPLE))
    from make_sample import write_ct
    from phantom import Grid, thorax
    from pydicom import dcmread
    from pydicom.uid import generate_uid

    shape = (1, *SHAPE[1:]) if single else SHAPE
    for number in range(series):
        folder = root / f"series{number:03d}"
        if folder.is_dir():
            continue
        grid = Grid(shape=shape, spacing=SPACING, z=-40.0)
        made = folder.with_name(f"{folder.name}.new")
        write_ct(made, replace(thorax(number, grid, [(24.0, True, 1.1, False)])))
        uid = generate_uid(entropy_srcs=["archive", str(number)])
        for k, file in enumerate(sorted(made.iterdir())):
            dataset = dcmread(file)
            dataset.SeriesInstanceUID = dataset.StudyInstanceUID = uid
            image = generate_uid(entropy_srcs=["archive", str(number), str(k)])
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = image
            dataset.save_as(file)
        made.rename(folder)
    return root


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that something takes, and those of the processor that it and its children take."""
    before, begun = resource_seconds(), time.perf_counter()
    work()
    return time.perf_counter() - begun, resource_seconds() - before


def resource_seconds() -> float:
    """Seconds of the processor that this process and its ended children took."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def speed(out: Path, series: int, workers: int) -> dict[str, Any]:
    """A plain loop over `suggest`, then a batch in one process, then one in several."""
    root = write_archive(out / f"archive{series}", series)
    classifier = mc.load_classifier(CLASSIFIER)
    loop = out / "loop"

    def plainly() -> None:
        for folder in sorted(root.iterdir()):
            mc.suggest(mc.read_scan(folder), classifier).save(loop / folder.name)

    rows = [dict(zip(("what", "seconds", "processor"), ("loop", *timed(plainly)), strict=True))]
    for count in (1, workers):
        target = out / f"batch{count}"
        took = timed(lambda t=target, n=count: mc.batch(root, CLASSIFIER, t, workers=n))
        spent = sum(
            json.loads(file.read_text())["facts"]["seconds"]
            for file in target.glob("*/*/study.json")
        )
        rows.append(
            {
                "what": f"batch, {count} workers",
                "seconds": took[0],
                "processor": took[1],
                "network_busy": spent / took[0] / count,
            }
        )
    for row in rows:
        row["times_faster"] = rows[0]["seconds"] / row["seconds"]
    return {"series": series, "load": os.getloadavg()[0], "rows": rows}


def memory(out: Path, series: int, workers: int) -> dict[str, Any]:
    """The memory that this process holds after each series, in MiB."""
    root = write_archive(out / f"slices{series}", series, single=True)
    held: list[float] = []
    process = psutil.Process()

    def look(what: str, done: int, total: int) -> None:
        if what == "batch":
            held.append(process.memory_info().rss / 2**20)

    made = mc.batch(root, CLASSIFIER, out / "memory", progress=look)
    quarter = max(1, len(held) // 4)
    means = [sum(held[k : k + quarter]) / quarter for k in range(0, 4 * quarter, quarter)]
    return {"series": made.done, "quarters_mib": means, "last_over_second": means[3] / means[1]}


def worklist(out: Path, series: int, workers: int) -> dict[str, Any]:
    """The worklist alone: seconds to take up, to begin and end, to read again, to sum up."""
    keys = {f"{number:016x}": f"{number:016x}" for number in range(series)}
    facts = {
        "findings": 1,
        "suggested": 1,
        "score": 0.9,
        "trust": 0.5,
        "strength": 1.0,
        "slices": 9,
    }
    facts |= {"modality": "CT", "notes": 0, "seconds": 1.0, "series": "1.2.3", "files": []}
    (out / "run-run").mkdir(exist_ok=True)
    file = out / "worklist.sqlite"
    file.unlink(missing_ok=True)
    took: dict[str, Any] = {"series": series}
    with open_worklist(file, "run") as rows:
        took["take_up_s"], _ = timed(lambda: rows.add(keys))

        def each() -> None:
            for key in keys:
                rows.begin(key)
                rows.end(key, "done", None, facts)

        seconds, _ = timed(each)
        took["begin_and_end_ms_a_series"] = 1000 * seconds / series
    with open_worklist(file, "run") as rows:
        took["resume_s"], _ = timed(lambda: (rows.add(keys), list(rows.rows())))
    took["summary_s"], _ = timed(lambda: write_summary(out, "run"))
    took["worklist_mb"] = file.stat().st_size / 1e6
    took["page_mb"] = (out / "run-run" / "summary.html").stat().st_size / 1e6
    return took


MEASURES = {"speed": speed, "memory": memory, "worklist": worklist}


def main() -> None:
    """Measure one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--series", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    made = MEASURES[given.measure](given.out, given.series, given.workers)
    text = json.dumps(made, indent=1)
    (given.out / f"{given.measure}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
