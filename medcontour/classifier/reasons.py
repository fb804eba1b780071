"""What went wrong below us, short enough for a sentence."""

from __future__ import annotations

__all__ = ["reason"]


def reason(error: Exception) -> str:
    """Give the first line of the error that started it all."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return (str(cause).strip() or type(cause).__name__).splitlines()[0].rstrip(".")
