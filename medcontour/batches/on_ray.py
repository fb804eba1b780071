"""A batch on a Ray cluster: an actor a classifier, given no more than it can read ahead."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from medcontour.batches.run import Run
from medcontour.batches.source import Source, Study
from medcontour.batches.study import Ended, look_at, read_study, unforeseen, write
from medcontour.batches.workers import DIED
from medcontour.errors import MedcontourError
from medcontour.scan.quiet import quietly

__all__ = ["in_ray"]

AT_ONCE = 3
"""Series that an actor has at once: one is read, one looked at, one written."""


@dataclass
class _Member:
    """An actor, and the series that it was given and has not ended, by their references."""

    actor: Any
    given: dict[Any, Study] = field(default_factory=dict)


class _Actor:
    """A classifier on some machine of the cluster, and who looks at series with it."""

    def __init__(self, source: Source, make_run: Callable[[], Run], folder: Path) -> None:
        self._source, self._make_run, self._folder = source, make_run, folder
        self._network = threading.Lock()
        self._quiet = quietly()
        self._quiet.__enter__()  # for as long as the process lives

    def load(self) -> MedcontourError | None:
        """Load the classifier; give what went wrong, since Ray would write it into its logs."""
        torch.set_num_threads(1)
        try:
            self._run = self._make_run()
        except MedcontourError as error:
            return error
        except Exception as error:
            return MedcontourError(unforeseen(error))
        return None

    def look(self, study: Study) -> Ended | MedcontourError:
        """Look at a series; others are read and written while the network works on this."""
        try:
            read = read_study(study, self._source)
            if isinstance(read, Ended):
                return read
            with self._network:
                looked = look_at(study, read, self._source, self._run)
            if isinstance(looked, Ended):
                return looked
            return write(study, looked, self._source, self._run, self._folder)
        except MedcontourError as error:
            return error
        except Exception as error:
            return MedcontourError(unforeseen(error))


def in_ray(
    todo: Sequence[Study],
    source: Source,
    make_run: Callable[[], Run],
    folder: Path,
    workers: int,
    gpus: float,
    begin: Callable[[str], None],
) -> Iterator[tuple[Study, Ended]]:
    """Look at series on the cluster that this process, or RAY_ADDRESS, is connected to.

    All machines see the scans, the classifier and the results under the same paths. An actor that
    dies, with its machine or by itself, is begun again, and what it had is looked at again, each
    series by itself; one at which an actor dies a second time has failed.

    Parameters
    ----------
    todo, source, make_run, folder, workers, begin
        As of `medcontour.batches.workers.in_workers`; an actor is a worker.
    gpus
        The share of an accelerator that an actor takes.

    Raises
    ------
    MedcontourError
        Where Ray is not installed or no cluster is running, and as `look_at`.
    """
    ray = _connected()
    kind = ray.remote(num_cpus=1, num_gpus=gpus, max_concurrency=AT_ONCE)(_Actor)
    waiting, alone = deque(todo), deque[Study]()
    died: Counter[str] = Counter()
    loading: dict[Any, _Member] = {}
    team: list[_Member] = []

    def start() -> None:
        member = _Member(kind.remote(source, make_run, folder))
        loading[member.actor.load.remote()] = member

    for _ in range(workers):
        start()
    while waiting or alone or any(member.given for member in team):
        references = [*loading, *(one for member in team for one in member.given)]
        [reference], _ = ray.wait(references, num_returns=1)
        member = loading.get(reference) or next(m for m in team if reference in m.given)
        try:
            said = ray.get(reference)
        except ray.exceptions.RayActorError as error:
            if loading.pop(reference, None) is not None:
                raise MedcontourError("An actor of Ray could not load the classifier.") from error
            team.remove(member)
            for study in member.given.values():
                died[study.key] += 1
                if died[study.key] > 1:
                    yield study, Ended("failed", DIED)
                else:
                    alone.append(study)
            start()
            continue
        if isinstance(said, MedcontourError):
            raise said
        if loading.pop(reference, None) is not None:
            team.append(member)
        else:
            yield member.given.pop(reference), said
        for study in _next(member, waiting, alone, died):
            begin(study.key)
            member.given[member.actor.look.remote(study)] = study


def _next(
    member: _Member, waiting: deque[Study], alone: deque[Study], died: Counter[str]
) -> Iterator[Study]:
    """What an actor has room for; a series that another died at gets no company."""
    room = AT_ONCE - len(member.given)
    if any(died[study.key] for study in member.given.values()):
        return
    while waiting and room:
        room -= 1
        yield waiting.popleft()
    if alone and room == AT_ONCE:
        yield alone.popleft()


def _connected() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MedcontourError(
            'Ray is not installed; install "medcontour[ray]", or leave --engine out.'
        ) from error
    if not ray.is_initialized():
        try:
            ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
        except ConnectionError as error:
            raise MedcontourError(
                "No cluster of Ray is running here; start one (`ray start --head`), or name one "
                "with RAY_ADDRESS."
            ) from error
    return ray
