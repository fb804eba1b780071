"""One series of a batch: read, looked at, written as a whole folder, or the reason why not."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from medcontour.batches.facts import facts_of
from medcontour.batches.memory import give_back
from medcontour.batches.run import Run
from medcontour.batches.source import Source, Study
from medcontour.batches.worklist import State
from medcontour.errors import MedcontourError
from medcontour.files import replacing_folder
from medcontour.formats.dicom.pseudonym import pseudonymised
from medcontour.formats.dicom.push import push
from medcontour.formats.dicom.written import dicom_formats
from medcontour.pipeline.job import suggest_with
from medcontour.pipeline.memory import at_most
from medcontour.results import Suggestion
from medcontour.scan import Scan

__all__ = [
    "Ended",
    "Looked",
    "Stopped",
    "facts_there",
    "look_at",
    "read_study",
    "unforeseen",
    "write",
]

RECORD_NAME = "study.json"
"""What the summary says of a series, in its folder: a folder with one is whole."""

FEWER = (None, 4, 1)
"""Images at once on an accelerator: as many as fit, and where it ran out of memory, fewer."""

CHANGED = "Its files changed while it was read; the same command looks at it again."


class Stopped(MedcontourError):
    """What stops the whole batch: nothing can be written, or the scans are not there any more."""


@dataclass(frozen=True)
class Ended:
    """How a series ended: see `medcontour.batches.worklist.Row`."""

    state: State
    reason: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Looked:
    """What was found in a series, and what the summary is to say of it."""

    suggestion: Suggestion
    facts: dict[str, Any]


def read_study(study: Study, source: Source) -> Scan | Ended:
    """Read a series; where that fails or its files change meanwhile, say how it ended.

    Raises
    ------
    MedcontourError
        Where no series is there any more.
    """
    with _of_one(study, source) as ended:
        before = source.state(study)
        scan = source.read(study)
        if source.state(study) == before:
            return scan
        return Ended("changed", CHANGED, _place(study, source))
    return ended[0]


def look_at(study: Study, scan: Scan, source: Source, run: Run) -> Looked | Ended:
    """Look at a series that was read; where that fails, say how it ended.

    Parameters
    ----------
    study, scan
        The series.
    source
        Where it is.
    run
        What it is looked at with.

    Raises
    ------
    MedcontourError
        Where no series is there any more.
    """
    facts = {
        "scan": source.stored(study, scan.patient_words),
        "modality": scan.modality,
        "slices": scan.slices,
        "series": study.uid,
    }
    with _of_one(study, source, facts) as ended:
        if run.pseudonym_key is not None:
            scan = pseudonymised(scan, run.pseudonym_key)
        suggestion = _suggested(scan, run)
        return Looked(suggestion, facts | facts_of(suggestion))
    return ended[0]


def write(study: Study, looked: Looked, source: Source, run: Run, folder: Path) -> Ended:
    """Write the folder of a series that was looked at, whole or not at all.

    Parameters
    ----------
    study, looked
        The series, and what was found.
    source, run
        As of `look_at`.
    folder
        Of the run's results; the series has a folder of its key in it.

    Raises
    ------
    Stopped
        Where results cannot be written.
    MedcontourError
        Where no series is there any more.
    """
    facts = dict(looked.facts)
    with _of_one(study, source, facts) as ended:
        _write(looked.suggestion, study, run, folder, facts)
        give_back()
        return Ended("done", None, facts)
    return ended[0]


def _place(study: Study, source: Source) -> dict[str, Any]:
    """Where a series is that was not read, as far as that may be written down."""
    return {"scan": source.stored(study), "series": study.uid}


@contextmanager
def _of_one(
    study: Study, source: Source, facts: dict[str, Any] | None = None
) -> Iterator[list[Ended]]:
    """Put whatever goes wrong with one series into the list: it stops no other."""
    ended: list[Ended] = []
    try:
        yield ended
    except (Stopped, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # libraries raise what they meet
        source.check()
        known = isinstance(error, MedcontourError)
        sentence = str(error) if known else unforeseen(error)
        where = _place(study, source) if facts is None else facts
        ended.append(Ended("failed", source.discreet(sentence, study), where))


def facts_there(folder: Path, study: Study) -> dict[str, Any] | None:
    """Give the facts of a series whose whole folder is there, of the files it is made of now."""
    try:
        record = json.loads((folder / study.key / RECORD_NAME).read_text(encoding="utf-8"))
        facts: dict[str, Any] = record["facts"]
        return facts if record["signature"] == study.signature else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _suggested(scan: Scan, run: Run) -> Suggestion:
    """The main job, with fewer images at once where an accelerator's memory runs out."""
    for images in FEWER:
        try:
            with at_most(images):
                return suggest_with(scan, run.classifier, run.settings, calibration=run.calibration)
        except torch.OutOfMemoryError:
            pass
        torch.cuda.empty_cache()  # outside of the handler, which holds on to what is on the device
    raise MedcontourError(
        "The accelerator's memory does not hold one image of it; use another device, or leave "
        "more memory free."
    )


def _write(
    suggestion: Suggestion, study: Study, run: Run, folder: Path, facts: dict[str, Any]
) -> None:
    with _stopping(), replacing_folder(folder / study.key) as own:
        saved = suggestion.save(
            own,
            run.formats,
            include_weak=run.include_weak,
            merge_findings=run.merge_findings,
        )
        facts |= {"files": saved.files, "left_out": saved.left_out}
        record = {"signature": study.signature, "facts": facts}
        (own / RECORD_NAME).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if run.push_to is not None and set(saved.files) & set(dicom_formats().values()):
            push(own, run.push_to)


@contextmanager
def _stopping() -> Iterator[None]:
    """Tell a target that cannot be written from a series that cannot."""
    try:
        yield
    except MedcontourError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno is not None:  # none of an archive's
                raise Stopped(f"{error} What is done is kept; the same command goes on.") from error
            cause = cause.__cause__
        raise


def unforeseen(error: BaseException) -> str:
    """Name an error without what it says, which may be of the patient."""
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "The machine's memory does not hold it; leave more free, or use fewer workers."
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}, line {last.lineno}"
    return f"It stopped with an error that was not foreseen ({type(error).__name__}, {where})."
