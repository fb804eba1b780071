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
from medcontour.batches.run import Run
from medcontour.batches.source import Source, Study
from medcontour.batches.worklist import State
from medcontour.errors import MedcontourError
from medcontour.files import replacing_folder
from medcontour.pipeline.job import suggest_with
from medcontour.pipeline.memory import at_most
from medcontour.results import Suggestion
from medcontour.scan import Scan

__all__ = ["Ended", "Stopped", "do_study", "facts_there"]

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


def do_study(study: Study, source: Source, run: Run, folder: Path) -> Ended:
    """Look at one series and write its folder, whole or not at all.

    Parameters
    ----------
    study
        The series.
    source
        Where it is.
    run
        What it is looked at with.
    folder
        Of the run's results; the series has a folder of its key in it.

    Raises
    ------
    Stopped
        Where results cannot be written, or no scan is there any more.
    """
    facts: dict[str, Any] = {"scan": source.stored(study)}
    try:
        before = source.state(study)
        scan = source.read(study)
        if source.state(study) != before:
            return Ended("changed", CHANGED, facts)
        facts |= {"modality": scan.modality, "slices": scan.slices, "series": study.uid}
        suggestion = _suggested(scan, run)
        facts |= facts_of(suggestion) | {"scan": source.stored(study, scan.patient_words)}
        _write(suggestion, study, run, folder, facts)
    except Stopped:
        raise
    except MedcontourError as error:
        source.check()
        return Ended("failed", source.discreet(str(error), study), facts)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a library raises at one series stops no other
        source.check()
        return Ended("failed", source.discreet(_unforeseen(error), study), facts)
    return Ended("done", None, facts)


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


@contextmanager
def _stopping() -> Iterator[None]:
    """Tell a target that cannot be written from a series that cannot."""
    try:
        yield
    except MedcontourError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError):
                raise Stopped(f"{error} What is done is kept; the same command goes on.") from error
            cause = cause.__cause__
        raise


def _unforeseen(error: BaseException) -> str:
    """Name an error without what it says, which may be of the patient."""
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "The machine's memory does not hold it; leave more free, or use fewer workers."
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}, line {last.lineno}"
    return f"It stopped with an error that was not foreseen ({type(error).__name__}, {where})."
