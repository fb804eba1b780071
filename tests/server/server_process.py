"""A real server in a process of its own, on a free port of this machine's own address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "sample_data" / "nodule_classifier"
SECONDS = 600  # on a busy machine


@dataclass
class Running:
    """A server: its address, its process, what it printed."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def client(self, **given: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, trust_env=False, **given)

    def stop(self, how: int = signal.SIGTERM) -> str:
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)
        return self.log.read_text(encoding="utf-8")


@contextmanager
def running(out: Path, *arguments: str, key: str | None = None) -> Iterator[Running]:
    """Start ``medcontour serve`` with the sample classifier; it is stopped at the end."""
    log = out.with_name(f"{out.name}-{time.monotonic_ns()}.log")
    environment = {k: v for k, v in os.environ.items() if "COV_CORE" not in k}
    environment |= {"OMP_NUM_THREADS": "1", "MEDCONTOUR_KEY": key or ""}
    code = "from medcontour.cli import main; main()"
    command = ["-c", code, "serve", "--classifier", str(BUNDLE), "--out", str(out), "--port", "0"]
    with log.open("w", encoding="utf-8") as opened:
        process = subprocess.Popen(
            [sys.executable, *command, *arguments],
            stdout=opened,
            stderr=opened,
            text=True,
            env=environment,
        )
    server = Running(_address(process, log), process, log)
    try:
        yield server
    finally:
        server.stop()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found = re.search(r"Serving on (\S+)", log.read_text(encoding="utf-8"))
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    raise AssertionError(log.read_text(encoding="utf-8"))
