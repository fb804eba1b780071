"""What a server allows at most, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from medcontour.errors import MedcontourError

__all__ = ["BOUNDS", "Bounds"]


@dataclass(frozen=True)
class Bounds:
    """What clients can cost a server.

    Attributes
    ----------
    upload_bytes
        Of one uploaded scan, packed.
    unpacked_bytes
        Of one uploaded archive, unpacked.
    files
        In one uploaded archive.
    uploads
        Uploaded scans that are kept at once.
    body_bytes
        Of any other request.
    body_seconds
        Until the body of any other request has come.
    upload_seconds
        Until an upload has come.
    head_seconds
        Until the head of a request has come, from the connection on.
    silence_seconds
        Between two parts of a body.
    waiting_jobs
        That wait at once.
    kept_jobs
        Finished ones that are remembered.
    begun
        How often a job is begun anew that the process did not survive.
    scans
        Held in memory at once.
    judging
        Curves that are judged at once.
    patience_seconds
        That a curve waits for its turn.
    leases
        That are held at once.
    idle_seconds
        After which a lease ends, and a scan is no longer held in memory.
    keep_seconds
        After which an uploaded scan that nobody used is removed, with all that was made of it.
    connections
        Open at once.
    """

    upload_bytes: int = 2 * 2**30
    unpacked_bytes: int = 8 * 2**30
    files: int = 20_000
    uploads: int = 50
    body_bytes: int = 16 * 2**20
    body_seconds: float = 30.0
    upload_seconds: float = 900.0
    head_seconds: float = 15.0
    silence_seconds: float = 15.0
    waiting_jobs: int = 100
    kept_jobs: int = 1000
    begun: int = 3
    scans: int = 4
    judging: int = 2
    patience_seconds: float = 30.0
    leases: int = 200
    idle_seconds: float = 900.0
    keep_seconds: float = 86_400.0
    connections: int = 200

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise MedcontourError(
                    f"{name} cannot be {value:g}; give a number over 0, or leave it out."
                )


BOUNDS = Bounds()
"""What is allowed where nothing else is said."""
