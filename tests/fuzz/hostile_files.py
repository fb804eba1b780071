"""Damaged files of every kind that is read, each in a process of its own with limits.

    python tests/fuzz/hostile_files.py --inputs 10000 --seed 1

What a user may see is a result, or one plain sentence: no traceback, no hang, no memory beyond a
bound, no half-written file, no patient's name. Among them are small files that unpack to much,
giants, pipes and devices. Input N of a kind is the same for one seed, so that ``--kind KIND --only
N`` tries it again; the files of those that failed are kept.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bombs
import damage
import numpy as np
import torch
from kinds import EDIT, KINDS, LOAD, REFINE, Action, Given, World
from originals import SECRETS, write_originals

import medcontour as mc
from medcontour.errors import MedcontourError
from medcontour.results import Suggestion

MEMORY = 2**30
"""Bytes that reading one of these files (at most 300 KB) may ask for."""

SECONDS = 20
"""Of processor time for one input; ten times as long by the clock, since others work here too."""

TRUST = "use it only if you trust where it came from."

LONGEST = 8010
"""Characters of a sentence."""


@dataclass(frozen=True)
class Outcome:
    """``"read"``, ``"refused"`` or ``"failed"``, the sentence or the fault, and what it took."""

    end: str
    said: str = ""
    megabytes: float = 0.0
    seconds: float = 0.0


def build_world(root: Path) -> World:
    """Write the whole files, and read what goes with them."""
    torch.set_num_threads(1)
    write_originals(root)
    scan = mc.read_scan(root / "series")
    world = World(root, scan, Suggestion.read_json(root / "out"))
    # What is imported, found and remembered here is there in every child.
    for action, name in (
        (EDIT, "out/rtstruct.dcm"),
        (EDIT, "out/seg.dcm"),
        (REFINE, "out/coco.json"),
        (LOAD, "bundle"),
        (LOAD, "spot_bundle"),
    ):
        action(Given(root / name, root / "nowhere", world))
    return world


def write_damaged(
    world: World, kind: str, seed: int, number: int, work: Path
) -> tuple[Given, Action]:
    """Write input `number` of a kind into `work`, the same for one seed, and choose its action."""
    of = KINDS[kind]
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), number])
    if kind == "bomb":
        given = bombs.write_bomb(world.root, work, rng)
        return Given(given, work / "out", world), damage.pick(rng, of.actions)
    originals = sorted(path for pattern in of.originals for path in world.root.glob(pattern))
    original = damage.pick(rng, originals)
    action: Action = damage.pick(rng, of.actions)
    data = original.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = (of.by_meaning if rng.random() < 0.65 else damage.damage_bytes)(data, rng)
    if kind == "bundle-config":  # "$" begins code, which reading a bundle runs by design
        changed = changed.replace(b"$", b"_")
    given = work / original.name
    if kind in ("weights", "bundle-config") and original.parent != world.root:
        top = original.parents[1].name
        given = work / top
        shutil.copytree(world.root / top, given)
        (given / original.relative_to(world.root / top)).write_bytes(changed)
    elif kind == "dicom" and original.parent != world.root:
        given = work / "series"
        shutil.copytree(original.parent, given)
        (given / original.name).write_bytes(changed)
    else:
        given.write_bytes(changed)
    if kind == "label-picture":
        scan = mc.read_scan(world.root / "pictures" / "grey.png")
        world = World(world.root, scan, world.suggestion)
    elif kind == "weights" and given.name == "model.pt":  # weights alone need their network
        shutil.copytree(world.root / "bundle", work / "bundle")
        bundle, weights = work / "bundle", given
        return Given(bundle, work / "out", world), lambda g: mc.load_classifier(
            g.path, weights=weights
        )
    return Given(given, work / "out", world), action


def try_one(
    given: Given,
    action: Action,
    *,
    seconds: int = SECONDS,
    patience: int = 10,
    memory: int = MEMORY,
) -> Outcome:
    """Run an action on a file in a process of its own, and judge how it ends."""
    said = given.out.parent / "said"
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            _in_child(given, action, said, write, seconds, memory)
        finally:
            os._exit(0)
    os.close(write)
    report, hung = b"", False
    until = time.monotonic() + patience * seconds
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            hung = True
            os.kill(child, signal.SIGKILL)
            break
        piece = os.read(read, 65536)
        if not piece:
            break
        report += piece
    os.close(read)
    _, status, used = os.wait4(child, 0)
    took = {"megabytes": used.ru_maxrss / 1024, "seconds": used.ru_utime + used.ru_stime}
    if hung or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
        return Outcome("failed", f"hang: more than {seconds} s", **took)
    if os.WIFSIGNALED(status) or not report:
        return Outcome("failed", f"crash: status {status}", **took)
    ended = _judge(json.loads(report), given, said.read_text(errors="replace"))
    return replace(ended, **took)


def _in_child(
    given: Given, action: Action, said: Path, write: int, seconds: int, memory: int
) -> None:
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["MEDCONTOUR_MEMORY"] = str(memory // 2)
    end: dict[str, Any] = {"code": 0}
    try:
        action(given)
    except MedcontourError as error:
        end = {"code": 1, "sentence": str(error), "memory": _from_memory(error)}
    except SystemExit as ended:
        end = {"code": ended.code or 0, "command": True}
    except BaseException:
        end = {"code": 3, "fault": traceback.format_exc()}
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(write, json.dumps(end).encode())


def _from_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _judge(end: dict[str, Any], given: Given, printed: str) -> Outcome:
    if "fault" in end:
        return Outcome("failed", f"traceback: {end['fault']}")
    if end.get("memory") or "MemoryError" in printed:
        return Outcome("failed", f"memory: more than was allowed\n{end}\n{printed}")
    # Said before a bundle is read, on purpose.
    lines = [line for line in printed.splitlines() if not line.endswith(TRUST)]
    sentence = end.get("sentence", "\n".join(lines).strip() if end["code"] else "")
    everything = printed + sentence
    for secret in SECRETS:
        if secret.casefold() in everything.casefold():
            return Outcome("failed", f"patient data in: {everything}")
    if "Traceback" in everything:
        return Outcome("failed", f"traceback: {everything}")
    if left := sorted(str(p) for p in given.out.parent.rglob(".partial-*")):
        return Outcome("failed", f"half written: {left}")
    if end["code"] == 0:
        return Outcome("read")
    if given.out.is_file() or (given.out.is_dir() and any(given.out.iterdir())):
        return Outcome("failed", f"half written: {given.out} after: {sentence}")
    plain = sentence.isprintable() and sentence.endswith(".") and len(sentence) <= LONGEST
    if end["code"] != 1 or not plain:
        return Outcome("failed", f"no plain sentence (exit {end['code']}): {sentence!r}")
    return Outcome("refused", sentence)


def try_many(
    world: World, kinds: Sequence[str], inputs: int, seed: int, work: Path, kept: Path | None = None
) -> tuple[dict[str, Counter[str]], list[tuple[str, int, Outcome]]]:
    """Try `inputs` in all, shared among the kinds; those that fail are kept in a folder.

    A kind's counter also has the most memory in MB and the longest processor time in ms.
    """
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    failures = []
    gc.collect()
    gc.freeze()
    for index in range(inputs):
        kind, number = kinds[index % len(kinds)], index // len(kinds)
        outcome = try_number(world, kind, seed, number, work, kept)
        counts[kind][outcome.end] += 1
        counts[kind]["MB"] = max(counts[kind]["MB"], round(outcome.megabytes))
        counts[kind]["ms"] = max(counts[kind]["ms"], round(1000 * outcome.seconds))
        if outcome.end == "failed":
            failures.append((kind, number, outcome))
    return counts, failures


def try_number(
    world: World, kind: str, seed: int, number: int, work: Path, kept: Path | None = None
) -> Outcome:
    """Try one input by its number."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    outcome = try_one(*write_damaged(world, kind, seed, number, work))
    if outcome.end == "failed" and kept is not None:
        place = kept / f"{kind}-{seed}-{number}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(work, place)
        (place / "fault.txt").write_text(outcome.said)
    return outcome


def table(counts: dict[str, Counter[str]]) -> str:
    """What was tried, by kind."""
    ends = ("read", "refused", "failed")
    heads = "".join(f"{end:>9}" for end in (*ends, "most MB", "most s"))
    lines = [f"{'kind':16}{'tried':>8}{heads}"]
    total: Counter[str] = Counter()
    for kind, count in [*counts.items(), ("all", total)]:
        cells = "".join(f"{count[end]:>9}" for end in ends)
        tried = sum(count[end] for end in ends)
        most = f"{count['MB']:>9}{count['ms'] / 1000:>9.1f}"
        lines.append(f"{kind:16}{tried:>8}{cells}{most}")
        total.update({end: count[end] for end in ends})
        total["MB"], total["ms"] = max(total["MB"], count["MB"]), max(total["ms"], count["ms"])
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try them and print what came of it; gives 1 when any failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1000, help="in all, shared among the kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--only", type=int, help="try this number of one kind, and show its end")
    parser.add_argument("--keep", type=Path, default=Path("hostile_failures"))
    asked = parser.parse_args(arguments)
    kinds = asked.kind or list(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(Path(folder) / "whole")
        work = Path(folder) / "work"
        if asked.only is not None:
            outcome = try_number(world, kinds[0], asked.seed, asked.only, work, asked.keep)
            print(outcome.end, outcome.said)
            return int(outcome.end == "failed")
        counts, failures = try_many(world, kinds, asked.inputs, asked.seed, work, asked.keep)
    print(table(counts))
    for kind, number, outcome in failures:
        lines = outcome.said.strip().splitlines()
        print(f"failed: --seed {asked.seed} --kind {kind} --only {number}: {lines[0][:90]}")
        print(f"    {lines[-1][:160]}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
