"""Namespaces of Linux that tests run programs in: a network or mounts of their own."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from typing import Literal

Kind = Literal["net", "mount"]


def namespace(kind: Kind) -> list[str]:
    """Give the beginning of a command that runs in a new one."""
    # Who is not root becomes it in a user namespace of the same process.
    return ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), f"--{kind}"]


@functools.cache
def namespace_missing(kind: Kind) -> str | None:
    """Say why there can be none; None when there can."""
    if not shutil.which("unshare"):
        return "not installed: util-linux"
    if subprocess.run([*namespace(kind), "true"], capture_output=True).returncode:
        return f"this machine allows no new {kind} namespace"
    return None
