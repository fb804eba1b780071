"""A real Orthanc with its DICOMweb plugin, in a network namespace of its own.

Orthanc 1.10 listens on every address of the machine. It therefore runs where there is nothing but
a loopback: in a new network namespace. Inside, a relay passes a Unix socket (a file, which every
namespace sees) on to Orthanc; outside, another passes a port of 127.0.0.1 on to that socket. Bytes
go through as they are, TLS among them.

To try something by hand: ``python tests/orthanc_server.py FOLDER`` prints the address and serves
until its standard input closes or it is interrupted.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from namespaces import namespace, namespace_missing

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PORT = 8042  # inside the namespace

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Orthanc:
    """Where a running Orthanc is reached: by DICOMweb, and by its own REST interface."""

    dicomweb: str
    rest: str
    port: int

    def store(self, path: Path) -> None:
        """Send a DICOM file."""
        request = urllib.request.Request(f"{self.rest}/instances", path.read_bytes())
        urllib.request.urlopen(request, timeout=60).close()


def _executable() -> str | None:
    return shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@functools.cache
def orthanc_missing() -> str | None:
    """Say what there is not to run Orthanc with; None when all is there."""
    if not _executable() or not PLUGIN.is_file():
        return "not installed: orthanc, orthanc-dicomweb"
    if not shutil.which("ip"):
        return "not installed: iproute2"
    return namespace_missing("net")


@contextmanager
def running_orthanc(folder: Path, **options: Any) -> Iterator[Orthanc]:
    """Run an empty Orthanc that keeps its files in `folder`, and end it.

    `options` go into its configuration (``SslEnabled=True, ...``); without them it asks for no
    password and speaks HTTP.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": PORT,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": True,
        "AuthenticationEnabled": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **options,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    # The path of a Unix socket may have 107 letters only.
    with tempfile.TemporaryDirectory(prefix="orthanc-") as short:
        socket = Path(short) / "http"
        with (folder / "orthanc.log").open("wb") as log:
            inside = subprocess.Popen(
                [*namespace("net"), sys.executable, __file__, str(folder), str(socket)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            assert inside.stdout
            if inside.stdout.readline() != b"ready\n":
                raise RuntimeError((folder / "orthanc.log").read_text())
            with _relay_thread(socket) as port:
                scheme = "https" if options.get("SslEnabled") else "http"
                rest = f"{scheme}://127.0.0.1:{port}"
                yield Orthanc(f"{rest}/dicom-web", rest, port)
        finally:
            assert inside.stdin
            inside.stdin.close()  # the namespace's process ends Orthanc, and itself
            inside.wait(timeout=30)


@contextmanager
def _relay_thread(socket: Path) -> Iterator[int]:
    """Pass a port of 127.0.0.1 on to the socket while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncio.Server:
        connect = functools.partial(asyncio.open_unix_connection, socket)
        return await asyncio.start_server(_passing_on(connect), "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()

    async def end() -> None:
        server.close()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _passing_on(
    connect: Callable[[], Awaitable[Streams]],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            beyond, onward = await connect()
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # the end of the test
            await asyncio.gather(_copy(reader, onward), _copy(beyond, writer))

    return pass_on


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
    with suppress(OSError):
        writer.close()


async def _inside(folder: Path, socket: Path) -> None:
    """Run in the namespace: Orthanc and the socket's relay, until standard input closes."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    executable = _executable()
    assert executable
    orthanc = await asyncio.create_subprocess_exec(
        executable, folder / "orthanc.json", stdout=sys.stderr
    )
    connect = functools.partial(asyncio.open_connection, "127.0.0.1", PORT)
    try:
        while orthanc.returncode is None:
            with suppress(OSError):
                (await connect())[1].close()
                break
            await asyncio.sleep(0.05)
        else:
            return
        async with await asyncio.start_unix_server(_passing_on(connect), socket):
            print("ready", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    finally:
        if orthanc.returncode is None:
            orthanc.kill()  # asked politely, it takes two seconds
            await orthanc.wait()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(_inside(Path(sys.argv[1]), Path(sys.argv[2])))
    else:
        with running_orthanc(Path(sys.argv[1])) as server, suppress(KeyboardInterrupt):
            print(server.dicomweb, flush=True)
            sys.stdin.read()
