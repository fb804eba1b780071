"""A MONAI Label server of this app, running, and what its clients say to it over HTTP."""

from __future__ import annotations

import email
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

APP = Path(__file__).resolve().parents[2] / "plugins" / "monailabel"
STARTS_WITHIN = 300  # seconds; it imports all of MONAI Label


def environment() -> Path:
    """The environment that plugins/monailabel/setup.sh made."""
    return Path(os.environ["MEDCONTOUR_MONAILABEL"])


def variables() -> dict[str, str]:
    """The process environment of a shell in which that environment is active."""
    tools = environment() / "bin"
    kept = {k: v for k, v in os.environ.items() if "COV_CORE" not in k}
    return {**kept, "PATH": f"{tools}{os.pathsep}{kept['PATH']}", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Answer:
    """An answer to /infer: its JSON part, and its file saved under its own name (or none)."""

    params: dict[str, Any]
    file: Path | None
    content_type: str | None


@dataclass(frozen=True)
class LabelServer:
    """A running server."""

    url: str
    studies: Path
    log: Path

    def get(self, path: str) -> Any:
        answer = requests.get(self.url + path, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, **parts: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=600, **parts)

    def infer(
        self,
        model: str,
        image: str,
        folder: Path,
        params: dict[str, Any] | None = None,
        files: dict[str, Any] | None = None,
    ) -> Answer:
        """Ask a model, and take the multipart answer apart as a mail reader would."""
        parts = {"data": {"params": json.dumps(params or {})}, "files": files}
        answer = self.post(f"/infer/{model}?image={image}", **parts)
        assert answer.status_code == 200, answer.text
        kind = answer.headers["content-type"]
        if kind.startswith("application/json"):
            return Answer(answer.json(), None, None)
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        said, file = email.message_from_bytes(head + answer.content).get_payload()
        assert said.get_content_type() == "application/json"
        path = folder / Path(str(file.get_filename())).name
        path.write_bytes(file.get_payload(decode=True))
        return Answer(json.loads(said.get_payload(decode=True)), path, file.get_content_type())

    def save_label(
        self, image: str, label: Path, names: list[str], tag: str = "final"
    ) -> requests.Response:
        """Save a label as 3D Slicer does."""
        info = [{"name": name, "idx": number} for number, name in enumerate(names, 1)]
        with label.open("rb") as file:
            return requests.put(
                f"{self.url}/datastore/label?image={image}&tag={tag}",
                data={"params": json.dumps({"label_info": info})},
                files={"label": (label.name, file)},
                timeout=300,
            )


@contextmanager
def running_server(
    folder: Path, studies: Path | str, *conf: str, answers: int = 200, **settings: str
) -> Iterator[LabelServer]:
    """Serve the app on 127.0.0.1, as its README says, until /info/ answers with that status.

    `conf` are names and values, `settings` MONAI Label's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    app = folder / "app"  # MONAI Label makes folders in it
    shutil.copytree(APP, app, ignore=shutil.ignore_patterns("logs", "bin", "model", "__pycache__"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pairs = [word for pair in zip(conf[::2], conf[1::2], strict=True) for word in ("--conf", *pair)]
    command = ["monailabel", "start_server", "--app", str(app), "--studies", str(studies)]
    log = folder / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, *pairs, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=variables() | {"MONAI_LABEL_SESSION_PATH": str(folder / "sessions"), **settings},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(server, url, log, answers)
        yield LabelServer(url, Path(studies), log)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path, answers: int) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(log.read_text())
        try:
            status = requests.get(f"{url}/info/", timeout=30).status_code
            assert status == answers, log.read_text()
            return
        except requests.ConnectionError:
            time.sleep(0.3)
    raise RuntimeError(f"The server did not start: {log.read_text()}")
