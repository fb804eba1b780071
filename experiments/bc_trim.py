"""What a batch costs: beside a plain loop, in memory over many series, and for its worklist alone.

    python experiments/batch_cost.py speed --out DIR --series 40 --workers 2
    python experiments/batch_cost.py threads --out DIR --series 2
    python experiments/batch_cost.py memory --out DIR --series 200
    python experiments/batch_cost.py worklist --out DIR --series 100000

Each writes ``NAME.json`` into DIR and prints it. The series are small chest phantoms with a nodule.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

import medcontour as mc
from medcontour import batches
from medcontour.batches.summary import write_summary
from medcontour.batches.worklist import open_worklist
from medcontour.pipeline.settings import Settings

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
CLASSIFIER = SAMPLE / "nodule_classifier"
SHAPE, SPACING = (6, 64, 84), (5.0, 4.7, 4.2)
"""Slices, rows, columns of a series, and the mm between them."""

ROUNDS = 2
"""Parts of the series, each of which both ways have in turn."""


def write_archive(root: Path, series: int, single: bool = False) -> Path:
    """Write phantoms as DICOM series, each in a folder of its own.

    `single` is one slice each, where nothing is found, but for every tenth.
    """
    sys.path.insert(0, str(SAMPLE))
    from make_sample import write_ct
    from phantom import Grid, thorax
    from pydicom import dcmread
    from pydicom.uid import generate_uid

    for number in range(series):
        folder = root / f"series{number:03d}"
        if folder.is_dir():
            continue
        shape = (1, *SHAPE[1:]) if single and number % 10 else SHAPE
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


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds that something takes; of the processor, by it and its children; and by others."""
    own, all_, begun = resource_seconds(), machine_seconds(), time.perf_counter()
    work()
    seconds, own = time.perf_counter() - begun, resource_seconds() - own
    others = max(0.0, machine_seconds() - all_ - own)
    return {"seconds": seconds, "processor": own, "cores_taken_by_others": others / seconds}


def machine_seconds() -> float:
    """Seconds of the processor that all programs of this machine took."""
    used = psutil.cpu_times()
    return float(used.user + used.nice + used.system)


def resource_seconds() -> float:
    """Seconds of the processor that this process and its ended children took."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def speed(out: Path, series: int, workers: int) -> dict[str, Any]:
    """A plain loop over `suggest` and a batch of several workers, in turn, each with two halves.

    A batch pays for its own beginning each time. What other programs took of the machine meanwhile
    is said; processor time does not depend on it.
    """
    root = write_archive(out / f"archive{series}", series)
    classifier = mc.load_classifier(CLASSIFIER)
    rounds: list[dict[str, Any]] = []
    for number, folders in enumerate(in_parts(sorted(root.iterdir()), ROUNDS)):
        part = out / f"round{number}"
        for folder in folders:
            shutil.copytree(folder, part / "archive" / folder.name, dirs_exist_ok=True)

        def plainly(part: Path = part) -> None:
            for folder in sorted((part / "archive").iterdir()):
                mc.suggest(mc.read_scan(folder), classifier).save(part / "loop" / folder.name)

        target = part / "batch"
        shutil.rmtree(target, ignore_errors=True)
        source = batches.FolderSource(part / "archive", target)
        run = partial(batches.run_of, apart, Settings())
        loop = timed(plainly)
        batch = timed(partial(batches.batch_with, source, run, target, workers=workers))
        looked = sum(
            json.loads(file.read_text())["facts"]["seconds"]
            for file in target.glob("*/*/study.json")
        )
        rounds.append(
            {
                "series": len(folders),
                "loop": loop,
                "batch": batch | {"looking": looked / batch["seconds"] / workers},
                "times_faster": loop["seconds"] / batch["seconds"],
            }
        )
        print(json.dumps(rounds[-1]), flush=True)
    return {
        "series": series,
        "workers": workers,
        "rounds": rounds,
        "processor_s_a_series": {
            name: sum(each[name]["processor"] for each in rounds) / series
            for name in ("loop", "batch")
        },
    }


def threads(out: Path, series: int, workers: int) -> dict[str, Any]:
    """The plain loop with one thread of PyTorch and with several, in turn."""
    root = write_archive(out / f"archive{series}", series)
    classifier = mc.load_classifier(CLASSIFIER)

    def plainly() -> None:
        for folder in sorted(root.iterdir()):
            mc.suggest(mc.read_scan(folder), classifier).save(out / "threads" / folder.name)

    rounds: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        took = {}
        for count in (1, workers):
            torch.set_num_threads(count)
            took[f"{count} threads"] = timed(plainly)
        rounds.append(took)
    return {"series": series, "rounds": rounds}


def apart() -> mc.Classifier:
    """Load the classifier; a worker leaves this program's session, which the loop has to itself.

    Linux shares processors between sessions where many programs want them.
    """
    if multiprocessing.parent_process() is not None:
        os.setsid()
    return mc.load_classifier(CLASSIFIER)


def in_parts(whole: Sequence[Path], count: int) -> list[Sequence[Path]]:
    """Cut a list into parts of about the same length."""
    return [whole[k::count] for k in range(count)]


def memory(out: Path, series: int, workers: int) -> dict[str, Any]:
    """The memory that this process holds after each series, in MiB (resident set)."""
    root = write_archive(out / f"slices{series}", series, single=True)
    held: list[float] = []
    process = psutil.Process()

    def look(what: str, done: int, total: int) -> None:
        if what == "batch":
            import ctypes; ctypes.CDLL("libc.so.6").malloc_trim(0)
            held.append(process.memory_info().rss / 2**20)

    made = mc.batch(root, CLASSIFIER, out / "memory", progress=look)
    tenth = max(1, len(held) // 10)
    means = [sum(held[k : k + tenth]) / tenth for k in range(0, len(held), tenth)]
    return {
        "series": made.done,
        "tenths_mib": [round(mean, 1) for mean in means],
        "last_tenth_over_first": means[-1] / means[0],
        "last_tenth_over_second": means[-1] / means[1],
        "after_each_mib": [round(each, 1) for each in held],
    }


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
        took["take_up_s"] = timed(lambda: rows.add(keys))["seconds"]

        def each() -> None:
            for key in keys:
                rows.begin(key)
                rows.end(key, "done", None, facts)

        took["begin_and_end_ms_a_series"] = 1000 * timed(each)["seconds"] / series
    with open_worklist(file, "run") as rows:
        took["resume_s"] = timed(lambda: (rows.add(keys), list(rows.rows())))["seconds"]
    took["summary_s"] = timed(lambda: write_summary(out, "run"))["seconds"]
    took["worklist_mb"] = file.stat().st_size / 1e6
    took["page_mb"] = (out / "run-run" / "summary.html").stat().st_size / 1e6
    return took


MEASURES = {"speed": speed, "threads": threads, "memory": memory, "worklist": worklist}


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
