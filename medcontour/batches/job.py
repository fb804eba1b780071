"""A whole archive: what a user calls, and where the series are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from medcontour.batches.passes import Batch, Engine, batch_with
from medcontour.batches.remote import RemoteSource
from medcontour.batches.run import run_of
from medcontour.batches.shards import shard_of
from medcontour.batches.source import FolderSource, Source
from medcontour.calibration import Calibration
from medcontour.dicomweb import SeriesQuery, is_address
from medcontour.errors import MedcontourError
from medcontour.formats.dicom.pseudonym import read_key
from medcontour.pipeline.calibrating import AnyCalibration
from medcontour.pipeline.inputs import AnyClassifier, given_classifier
from medcontour.pipeline.settings import Settings
from medcontour.progress import Progress

__all__ = ["batch", "push_to", "source_of"]


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
    push: bool = False,
    pseudonymise: str | os.PathLike[str] | None = None,
    watch: float | None = None,
    engine: Literal["local", "ray"] = "local",
    gpus: float = 0.0,
    paths: str | os.PathLike[str] | None = None,
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
    push
        Whether the DICOM objects of each series are stored in the archive that it is in, each once;
        a series is done when they are stored.
    pseudonymise
        A file with a key, of 16 bytes or more: patients in DICOM objects are replaced by pseudonyms
        that are the same for the same patient and key. UIDs stay, so that objects refer to images.
    watch
        Look again every so many seconds, and never return. A series is taken when it was the same
        at two looks.
    engine, gpus
        ``"ray"`` puts the workers on the Ray cluster that this process or RAY_ADDRESS is connected
        to, each with so much of an accelerator (0.25 is four on one). All machines see scans,
        classifier and results under the same paths.
    paths
        A table (CSV) to write, of each series' path by its key. Paths may hold names: it is
        the only file that shows them.
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
    to = push_to(root) if push else None
    chosen = Settings(**settings)
    key = None if pseudonymise is None else read_key(Path(pseudonymise))
    run = partial(run_of, load, chosen, formats, include_weak, merge_findings, given, to, key)
    return batch_with(
        source,
        run,
        folder,
        shard_of(shard),
        workers,
        retry_failed,
        watch,
        progress,
        Engine(engine, gpus),
        None if paths is None else Path(paths),
    )


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


def push_to(root: str | os.PathLike[str]) -> str:
    """Give the archive that results are stored in: the one that the series are in.

    Raises
    ------
    MedcontourError
        Where they are in a folder.
    """
    if not is_address(root):
        raise MedcontourError(
            "Results are stored in the archive that the series are in, and these are in a folder; "
            "store them with `medcontour push`."
        )
    return str(root)
