"""Write `Client` from `AsyncClient`: each verb is said once, in ``asynchronous.py``.

``python plugins/client/write_client.py`` after every change there.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).with_name("medcontour_client")

SENTENCES = {
    '"""The same client for asyncio."""': (
        '"""The client that waits for the server: written from ``asynchronous.py``."""'
    ),
    ", for asyncio: the same verbs as `Client`.": ".",
    "import asyncio\n": "",
    "from collections.abc import AsyncIterator, Callable, Sequence\n": (
        "from collections.abc import Callable, Iterator, Sequence\n"
    ),
    "import Any, BinaryIO\n": "import Any\n",
    "_pieces(content)": "content",
    "asyncio.to_thread(Path(file).read_bytes)": "Path(file).read_bytes()",
    "asyncio.to_thread(Path(to).write_bytes, content)": "Path(to).write_bytes(content)",
}
WORDS = {
    "async def ": "def ",
    "async with ": "with ",
    "async for ": "for ",
    "await ": "",
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "asynccontextmanager": "contextmanager",
    "asyncio.sleep": "time.sleep",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "aread": "read",
    "aiter_lines": "iter_lines",
}


def waiting(asynchronous: str) -> str:
    """Give the source of the client that waits, from that of the one that does not."""
    source, _ = asynchronous.split("\n\nasync def _pieces")
    for table in (SENTENCES, WORDS):
        for theirs, ours in table.items():
            assert theirs in source, theirs
            source = source.replace(theirs, ours)
    return source


if __name__ == "__main__":
    (PACKAGE / "client.py").write_text(waiting((PACKAGE / "asynchronous.py").read_text()))
