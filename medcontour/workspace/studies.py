"""What is suggested for each study, what readers made of it, and where both are kept."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from medcontour.dicomweb import is_address
from medcontour.edits import Refined, refine, resume, write_report
from medcontour.errors import MedcontourError
from medcontour.files import make_folder, replacing
from medcontour.formats.dicom.push import push
from medcontour.formats.shapes import Edited
from medcontour.pipeline import contour_map, judge_with, snap_with, suggest_with
from medcontour.pipeline.findings import linked_findings
from medcontour.pipeline.references import run_record, scan_reference
from medcontour.progress import Progress
from medcontour.results import ContourMap, Finding, Suggestion
from medcontour.scan import Scan, read_scan
from medcontour.workspace.nothing import nothing_suggested
from medcontour.workspace.setup import Setup

__all__ = ["Workspace", "digest"]

SALT = "salt"


class Workspace:
    """The suggestions for many studies, and the edits of them.

    They are kept in a folder for each study: ``suggestion.json``, and in ``edited`` the latest
    edit with its report. A study's own name may be a patient's, and stands nowhere in them.

    Parameters
    ----------
    folder
        Where the folders are.
    setup
        The classifier and the settings.
    locate
        Gives the file or folder of a study's images by its name, or its address in an archive.
    read
        Gives a study's scan by its name; by default it is read from where it is, each time.

    Examples
    --------
    >>> studies = Path("studies")
    >>> workspace = Workspace(
    ...     studies / "medcontour", Setup("bundle/", Settings()), lambda s: studies / s
    ... )  # doctest: +SKIP
    >>> workspace.suggestion("chest.nii.gz").findings  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        locate: Callable[[str], Path | str],
        read: Callable[[str], Scan] | None = None,
    ) -> None:
        self._folder = folder
        self._locate = locate
        self._read = read or (lambda study: read_scan(locate(study)))
        self.setup = setup

    def folder(self, study: str) -> Path:
        """Where a study's suggestion is kept: its name is a salted digest of the study's name."""
        return self._folder / digest(study, self._folder)

    def scan(self, study: str) -> Scan:
        """Read a study's images."""
        return self._read(study)

    def suggestion(self, study: str, progress: Progress | None = None) -> Suggestion:
        """Give the suggestion for a study, with its scan.

        What was suggested before is taken up where classifier, settings and scan are the same, and
        the images are not newer.
        """
        scan = self.scan(study)
        kept = self._still_good(study, scan)
        return kept or self._keep(study, self.suggest(scan, progress))

    def suggest(self, scan: Scan, progress: Progress | None = None) -> Suggestion:
        """Suggest for a scan, and keep nothing."""
        return suggest_with(scan, self.setup.classifier, self.setup.settings, progress)

    def snap(
        self,
        scan: Scan,
        starts: Mapping[int, npt.ArrayLike],
        progress: Progress | None = None,
    ) -> Suggestion:
        """Search on from where a reader points to (`clicked`, `drawn`), and keep nothing."""
        return snap_with(scan, self.setup.classifier, starts, self.setup.settings, progress)

    def judge(self, scan: Scan, k: int, corners: npt.ArrayLike) -> Finding:
        """Evidence and trust of a curve of slice `k` as it is, (n, 3) LPS mm."""
        return judge_with(scan, self.setup.classifier, k, corners, self.setup.settings)

    def contour_map(self, scan: Scan, k: int, progress: Progress | None = None) -> ContourMap:
        """Map slice `k`: its best contour of each area, under the settings' target and preset."""
        settings = self.setup.settings
        return contour_map(
            scan,
            self.setup.classifier,
            k,
            target=settings.target,
            preset=settings.preset,
            background=settings.background,
            seed=settings.seed,
            progress=progress,
        )

    def kept(self, study: str) -> Suggestion | None:
        """Give what was suggested for a study before, without its scan; None for nothing.

        Raises
        ------
        MedcontourError
            When what is kept cannot be read.
        """
        path = self.folder(study) / "suggestion.json"
        return Suggestion.read_json(path) if path.is_file() else None

    def take_over(
        self,
        study: str,
        edited: Path | Edited,
        *,
        names: Sequence[str] = (),
        archive: str | None = None,
    ) -> Refined:
        """Compare a reader's edit with what was suggested; keep the edit and its report.

        Structures that nothing was suggested of are kept too: a reader saves what is to stay.

        Parameters
        ----------
        study
            The study.
        edited
            The file, in any format that `medcontour.refine` reads, or what such a file holds.
        names
            Of the values 1, 2, ... of a NIfTI label map, which holds none itself.
        archive
            The address of an archive that is given the edit as a DICOM SEG, where the study came
            as DICOM.

        Raises
        ------
        MedcontourError
            When the edit cannot be read, or does not lie on the study's grid; nothing is kept then.
        """
        scan = self.scan(study)
        kept = self.kept(study)
        if kept is None:
            before = nothing_suggested(scan, self.setup.reference, self._record(scan))
        else:
            before = replace(kept, source=scan)
        with _beside_names(edited, names) as named:
            refined = refine(before, named, scan, include_other=True)
        folder = self.folder(study) / "edited"
        saved = refined.suggestion.save(folder, ["seg"] if archive else [])
        write_report(refined, folder)
        if archive and "seg.dcm" in saved.files:
            push(folder, archive, ["seg"])
        return refined

    def edit_report(self, study: str) -> dict[str, Any] | None:
        """Give the report of the latest edit, as JSON; None where nobody edited."""
        path = self.folder(study) / "edited" / "edit_report.json"
        if not path.is_file():
            return None
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return report

    def edited(self, study: str) -> Suggestion | None:
        """Give the study as its reader left it, without its scan; None where nobody edited."""
        folder = self.folder(study) / "edited"
        return Suggestion.read_json(folder) if (folder / "suggestion.json").is_file() else None

    def after_edit(self, study: str, progress: Progress | None = None) -> Suggestion:
        """Search on from the latest edit: what it changed is searched anew, the rest stays.

        The result is what is kept for the study from now on.

        Raises
        ------
        MedcontourError
            When there is no edit, or it changed nothing.
        """
        edited = self.edited(study)
        if edited is None:
            raise MedcontourError(
                "No label of a reader's is saved for this image, so there is nothing to start from."
            )
        scan = self.scan(study)
        after = replace(edited, source=scan)
        fresh = resume(after, self.setup.classifier, progress).slices
        searched = {(part.slice, part.label) for part in fresh}
        rest = [part for part in after.slices if (part.slice, part.label) not in searched]
        findings = linked_findings([*rest, *fresh], scan)
        return self._keep(study, replace(after, findings=findings, edited=False))

    def forget(self, study: str) -> None:
        """Remove all that is kept for a study."""
        shutil.rmtree(self.folder(study), ignore_errors=True)

    def _keep(self, study: str, suggestion: Suggestion) -> Suggestion:
        suggestion.save(self.folder(study), [])
        return suggestion

    def _still_good(self, study: str, scan: Scan) -> Suggestion | None:
        """Give what is kept where looking again would give the same."""
        try:
            kept = self.kept(study)
        except MedcontourError:  # of another version, or damaged: it is made anew
            return None
        same = (
            kept is not None
            and kept.scan == scan_reference(scan)
            and kept.classifier == self.setup.reference
            and kept.settings | {"scan": None} == self._record(scan)
            and kept.run.get("medcontour") == run_record(0)["medcontour"]
            and self._is_newer(study)
        )
        return replace(kept, source=scan) if kept is not None and same else None

    def _is_newer(self, study: str) -> bool:
        """Whether what is kept was written after the images: those of a name may be others."""
        place = self._locate(study)
        if is_address(place):
            return True  # what an archive holds under a UID stays the same
        images = Path(place).stat()
        kept = (self.folder(study) / "suggestion.json").stat()
        return kept.st_mtime_ns > max(images.st_mtime_ns, images.st_ctime_ns)

    def _record(self, scan: Scan) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(json.dumps(self.setup.record(scan)))
        return record  # as it is read back


def digest(study: str, folder: Path) -> str:
    """Give a digest of a name, salted with a random number of this folder's own.

    Without the number nobody can look up whether a name is there.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> digest("Li", folder) == digest("Li", folder), len(digest("Li", folder))
    (True, 24)
    """
    salt = make_folder(folder) / SALT
    if not salt.is_file():
        with replacing(salt) as temporary:
            temporary.write_text(secrets.token_hex(16), encoding="ascii")
    key = salt.read_text(encoding="ascii").encode()
    return hashlib.blake2b(study.encode(), key=key, digest_size=12).hexdigest()


@contextmanager
def _beside_names(label: Path | Edited, names: Sequence[str]) -> Iterator[Path | Edited]:
    """Give a copy of a NIfTI label map with an ITK-SNAP description of its names beside it."""
    if isinstance(label, Edited):
        yield label
        return
    plain = [" ".join(name.split()).replace('"', "'") for name in names]
    if not any(plain) or not label.name.endswith((".nii", ".nii.gz")):
        yield label
        return
    with tempfile.TemporaryDirectory() as folder:
        ending = ".nii.gz" if label.name.endswith(".gz") else ".nii"
        copy = Path(folder) / f"label{ending}"
        shutil.copyfile(label, copy)
        lines = [f'{value} 255 255 255 1 1 1 "{name}"' for value, name in enumerate(plain, 1)]
        (Path(folder) / "label.txt").write_text("\n".join(lines), encoding="utf-8")
        yield copy
