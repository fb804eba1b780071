"""A whole archive: each series once, in the order of the worklist, whatever happens to one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medcontour.batches.remote import RemoteSource
from medcontour.batches.run import Run, run_of
from medcontour.batches.shards import WHOLE, Shard, shard_of
from medcontour.batches.source import FolderSource, Source, Study, salt_of
from medcontour.batches.study import Ended, facts_there
from medcontour.batches.summary import write_summary
from medcontour.batches.turn import in_turn
from medcontour.batches.workers import in_workers
from medcontour.batches.worklist import Worklist, open_worklist
from medcontour.calibration import Calibration
from medcontour.dicomweb import SeriesQuery, is_address
from medcontour.errors import MedcontourError
from medcontour.files import make_folder
from medcontour.pipeline.calibrating import AnyCalibration
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.settings import Settings
from medcontour.progress import Progress

__all__ = ["Batch", "batch", "batch_with", "source_of"]


@dataclass(frozen=True)
class Batch:
    """What a batch did.

    Attributes
    ----------
    folder
        Of the run's results: a folder a series, ``summary.html``, ``summary.csv``, ``run.json``.
    found
        Series that were found, of this shard.
    before
        Of these, done before and not looked at again.
    done
        Done now.
    failed
        The reason of each series that could not be done now, by its key.
    changed
        Keys of series that changed while they were read.
    skipped
        Series that failed before and were left (``retry_failed``).
    notes
        What was passed over.
    """

    folder: Path
    found: int
    before: int
    done: int
    failed: dict[str, str]
    changed: tuple[str, ...]
    skipped: int
    notes: tuple[str, ...]


def batch(
    root: str | os.PathLike[str],
    classifier: AnyClassifier,
    out: str | os.PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    include_weak: bool = False,
    merge_findings: bool = False,
    calibration: AnyCalibration | None = None,
    labels: Sequence[str] | None = None,
    query: SeriesQuery | None = None,
    shard: str | None = None,
    workers: int = 1,
    retry_failed: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Batch:
    """Suggest contours for every series in a folder, and write a summary of all.

    A worklist in `out` says what is done. Killed at any moment and started again with the same
    arguments, it goes on: nothing is lost, done twice or half written. A series that cannot be done
    is written down with the reason, and the rest goes on.

    Parameters
    ----------
    root
        The folder, searched with its subfolders for DICOM series, NIfTI, NRRD and MetaImage files
        and pictures; or, as text, an archive, ``dicomweb+https://HOST/ROOT``.
    classifier
        As `suggest` takes it.
    out
        The folder for results. Those of other settings, or of another classifier, stay: each run
        has its folder in it, ``run-KEY``.
    formats, include_weak, merge_findings
        As `Suggestion.save` takes them.
    calibration
        As `suggest` takes it.
    labels
        Names of the classes, for a network that comes without.
    query
        Which series of an archive: `medcontour.dicomweb.SeriesQuery`; None is all images.
    shard
        ``"I/N"``: the I-th of N parts, from 1. Parts may run at once, and share `out`.
    workers
        Processes that look at series at once, each with a classifier of its own: as many as there
        are cores, or two to four on an accelerator. With more than one, a script needs the usual
        ``if __name__ == "__main__":``, and a network of your own has to stand in a module.
    retry_failed
        Whether series that failed before are looked at again.
    progress
        Called as the work goes on, with ``"list"`` and then ``"batch"``.
    **settings
        As `Settings` says.

    Returns
    -------
    Batch
        How many were done, and why others were not.

    Raises
    ------
    MedcontourError
        Where nothing could be done at all: there is no scan, the classifier does not load, another
        run works on the same worklist, or results cannot be written (a full disk). What is done by
        then is kept.

    Examples
    --------
    >>> import medcontour as mc
    >>> mc.batch("archive/", "bundle/", "results/", target="lesion").done  # doctest: +SKIP
    40
    """
    given = calibration
    if given is not None and not isinstance(given, Calibration):
        given = Calibration.read(given)
    folder = Path(out).expanduser().absolute()
    source = source_of(root, folder, query)
    load = partial(given_classifier, classifier, labels)
    run = partial(run_of, load, Settings(**settings), formats, include_weak, merge_findings, given)
    return batch_with(source, run, folder, shard_of(shard), workers, retry_failed, progress)


def source_of(root: str | os.PathLike[str], out: Path, query: SeriesQuery | None = None) -> Source:
    """Give where the series are: a folder, or an archive.

    Raises
    ------
    MedcontourError
        For neither, and for a query of a folder.
    """
    if is_address(root):
        return RemoteSource(str(root), query or SeriesQuery())
    if query not in (None, SeriesQuery()):
        raise MedcontourError(
            "Modality, description and date choose series of an archive (DICOMweb), and this is a "
            "folder; leave them out."
        )
    return FolderSource(Path(root).expanduser().absolute(), out)


def batch_with(
    source: Source,
    make_run: Callable[[], Run],
    out: Path,
    shard: Shard = WHOLE,
    workers: int = 1,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> Batch:
    """As `batch`, with where the series are and what they are looked at with as values.

    Parameters
    ----------
    source
        Where the series are.
    make_run
        Loads the classifier: `run_of` with its arguments.
    out, shard, workers, retry_failed, progress
        As of `batch`.
    """
    if workers < 1:
        raise MedcontourError(f"{workers} workers do nothing; give 1 or more.")
    run = make_run()
    folder = run.folder(make_folder(out))
    with open_worklist(out / shard.worklist, run.key) as worklist:
        listed, notes = source.studies(salt_of(out), progress, worklist)
        own = {study.key: study for study in listed if shard.has(study.part)}
        if not listed:
            raise MedcontourError(" ".join(["There is no scan.", *notes]))
        todo, skipped = _todo(worklist, own, folder, retry_failed)
        ended: dict[str, Ended] = {}
        try:
            for study, how in _each(todo, source, make_run, run, folder, workers, worklist.begin):
                worklist.end(study.key, how.state, how.reason, how.facts)
                ended[study.key] = how
                if progress is not None:
                    progress("batch", len(ended), len(todo))
        except BaseException:
            with suppress(MedcontourError):
                make_folder(folder)  # what a worker left half written is removed
                write_summary(out, run.key)
            raise
        write_summary(out, run.key)
    return Batch(
        folder=folder,
        found=len(own),
        before=len(own) - len(todo) - skipped,
        done=sum(how.state == "done" for how in ended.values()),
        failed={key: str(how.reason) for key, how in ended.items() if how.state == "failed"},
        changed=tuple(key for key, how in ended.items() if how.state == "changed"),
        skipped=skipped,
        notes=notes,
    )


def _each(
    todo: Sequence[Study],
    source: Source,
    make_run: Callable[[], Run],
    run: Run,
    folder: Path,
    workers: int,
    begin: Callable[[str], None],
) -> Iterator[tuple[Study, Ended]]:
    """Look at series in this process, or in several others where there are so many."""
    if workers > 1 and len(todo) > 1:
        yield from in_workers(todo, source, make_run, folder, min(workers, len(todo)), begin)
    else:
        yield from in_turn(todo, source, run, folder, begin)


def _todo(
    worklist: Worklist, own: Mapping[str, Study], folder: Path, retry_failed: bool
) -> tuple[list[Study], int]:
    """Bring worklist, series and results into line; give what is to be done, and how many failed.

    A result whose line was not written (the process was killed in between) is taken up; a line
    whose result was removed waits again.
    """
    worklist.add({key: study.signature for key, study in own.items()})
    there = {entry.name for entry in os.scandir(folder)}
    rows = {row.series: row for row in worklist.rows() if row.series in own}
    again = [
        key
        for key, row in rows.items()
        if (row.state == "done" and key not in there)
        or (row.state == "failed" and retry_failed)
        or row.state == "changed"
    ]
    worklist.wait_again(again)
    waiting = [key for key, row in rows.items() if row.state == "waiting" or key in again]
    todo = []
    for key in waiting:
        facts = facts_there(folder, own[key]) if key in there else None
        if facts is None:
            todo.append(own[key])
        else:
            worklist.end(key, "done", None, facts)
    failed = sum(row.state == "failed" for row in rows.values()) if not retry_failed else 0
    places = {key: place for place, key in enumerate(own)}
    return sorted(todo, key=lambda s: (rows[s.key].begun, places[s.key])), failed
