"""A batch on a real Ray cluster, an actor of which is killed half way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from archives import results, write_picture
from namespaces import namespace
from test_batch import FAST

import medcontour as mc

pytestmark = [pytest.mark.ray, pytest.mark.slow]

WORK = """
import json, os, signal, sys, threading, time
import psutil, ray
import medcontour as mc

ray.init(num_cpus=2, _node_ip_address="127.0.0.1", include_dashboard=False, log_to_driver=False,
         object_store_memory=80 * 2**20)
killed = []

def kill(what, done, total):
    if what == "batch" and done == 2 and not killed:
        actors = [p for p in psutil.process_iter(["name", "cmdline"])
                  if "ray::_Actor" in " ".join(p.info["cmdline"] or [])]
        killed.append(actors[0].pid)
        os.kill(actors[0].pid, signal.SIGKILL)

root, bundle, out = sys.argv[1:]
made = mc.batch(root, bundle, out, formats=["labelmap"], engine="ray", workers=2, progress=kill)
print(json.dumps([made.done, len(made.failed), len(killed)]))
"""


def test_an_actor_that_is_killed_takes_nothing_along(bundle: Path, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for n in range(8):
        write_picture(root / f"case{n}.png", spot=n % 2 == 0, seed=n)
    (root / "damaged.png").write_bytes(b"nothing")
    for out in ("whole", "out"):
        (tmp_path / out).mkdir()
        (tmp_path / out / "salt").write_text("the same")
    whole = mc.batch(root, bundle, tmp_path / "whole", formats=FAST)
    script = tmp_path / "work.py"
    script.write_text(WORK)
    inside = 'ip link set lo up && exec "$@"'
    done = subprocess.run(
        [
            *namespace("net"),
            *("sh", "-c", inside, "sh", sys.executable),
            *map(str, (script, root, bundle, tmp_path / "out")),
        ],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [8, 1, 1]
    [run] = (tmp_path / "out").glob("run-*")
    assert results(run) == results(whole.folder)
