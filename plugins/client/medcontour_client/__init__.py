"""A client of medcontour's server, with numpy and httpx alone; sync and async."""

from medcontour_client.asynchronous import AsyncClient
from medcontour_client.client import Client
from medcontour_client.errors import JobCancelled, JobFailed, ServerError, WrongVersion
from medcontour_client.parts import Info, Job, Listed, Outline, Step, Study, outlines_of

__all__ = [
    "AsyncClient",
    "Client",
    "Info",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Listed",
    "Outline",
    "ServerError",
    "Step",
    "Study",
    "WrongVersion",
    "outlines_of",
]
