"""A package of somebody else's that adds something by an entry point."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "thirdparty_module"


@contextmanager
def installed(folder: Path, group: str, name: str, module: str) -> Iterator[None]:
    """Install it while the context lasts; `module` is its text, which makes ``added``."""
    info = folder / "thirdparty-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {NAME}:added\n")
    (folder / f"{NAME}.py").write_text(textwrap.dedent(module))
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(NAME, None)
