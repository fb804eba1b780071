"""What can go wrong: each error's text is one plain sentence."""

from __future__ import annotations

__all__ = ["JobCancelled", "JobFailed", "ServerError", "WrongVersion"]


class ServerError(Exception):
    """What the server refused, or why it could not be reached.

    Attributes
    ----------
    status
        The HTTP status: 401 for a wrong key, 404 for what is not there, 409 where something has to
        be there first (a lease, a suggestion), 413 for too much, 422 for what cannot be used, 503
        for too much at once. None where the server could not be reached.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


class WrongVersion(ServerError):
    """Client and server speak different versions of the interface."""


class JobFailed(ServerError):
    """A job could not be done."""


class JobCancelled(ServerError):
    """A job was cancelled by somebody."""
