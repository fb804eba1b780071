"""Which parts of a path may be repeated: what could be a person's name, number or date may not.

Folders and files of archives are named after patients. What is *stored* of a path is strict: only
plain words of the trade and short numbers. What a *message* repeats is wider, so that a user finds
the file: it hides what looks like a name, a date or a number, and what a header says is the
patient's. A lone word in small letters (``weird7.nii``) is shown; who names files so after
patients should know.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path, PurePath

__all__ = ["could_identify", "discreet", "holds_word", "keep_private", "stored_path"]

HIDDEN = "…"

MOST = 4096
"""Names that are remembered as not to be repeated."""

_TEXT = """
a abdomen abdominal adc and aorta archive arm at axial backup bad batch big bomb bone bones border
brain breast breasts broken bundle by cardiac case cases cervical chest chestxray classifier coco
color colour constant contour contours contrast copy cor coronal coronary cr csv ct cut damaged
data dataset datasets dce dcm deep deflated demo desktop dicom dicomdir documents downloads dwi dx
edge edit edited edits empty enhanced evidence example examples export exports fdg file files
finding findings first flair flat folder for frame frames from giant gray grey gz head heart here
hip home html im ima image images img in input inputs inside inverse io jpeg jpg json kidney
kidneys knee label labelmap labels large left leg lesion lesions linked liver local long lumbar
lung lungs mammo mammogram map mask masks media mg mha mhd missing mnt model models mr mri mrk
native neck new nhdr nii nm no nodule nodules none note nowhere nrrd odd of old on opt or original
originals ot out outline outlines output outputs overlay packed pacs padded pancreas part pelvis
pet phantom phase picture pictures pipe plain png portal pr private project projects prostate pt
public px raw refine refined report result results rf rg right roi root rt rtstruct run runs sag
sagittal sample samples scan scans scout second seg segmentation segmentations sequence series ses
session sessions set share shared short slice slices small spine spleen spot spots sr srv storage
structure structures studies study sub subject suggest suggested suggestion suggestions summary
temp test tests the there thorax tif tiff time tmp tra train training truncated tumor tumour uld
ultrasound uneven us user users uterus validation var view volume volumes web week whole wide with
work worklist wrist xa xr xray
"""
_WORDS = frozenset(_TEXT.split())
"""Words of the trade and of computers, which are nobody's name."""

_COUNTERS = frozenset(("im", "img", "image", "i", "io", "slice", "frame", "ima", "dcm", "ct", "mr"))
"""What scanners put before a running number."""

_BESIDE = """
archive case ct data dcm for from gz im image images img jpg json mha mr mri nii nrrd of patient
patients pet png pt scan scans seg series studies study sub subject tif tiff us
"""
_BESIDE_A_NAME = frozenset(_BESIDE.split())
"""Words that stand beside a name in a file's; with others it is a phrase."""

_ADDRESS = re.compile(r"\w[\w+.-]+:/")
_UID = re.compile(r"\d+(\.\d+){3,}")
_DATE = re.compile(
    r"(?<!\d)(?:"
    r"(?:18|19|20)\d\d[-_. ]?(?:0[1-9]|1[0-2])[-_. ]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-_. ](?:0?[1-9]|1[0-2])[-_. ](?:(?:18|19|20)\d\d|\d\d)"
    r"|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:18|19|20)\d\d"
    r"|(?:0?[1-9]|1[0-2])[-_. ](?:0?[1-9]|[12]\d|3[01])[-_. ](?:18|19|20)\d\d"
    r")(?!\d)"
)
_LETTERS = re.compile(r"[^\W\d_]+")
_NAME_PARTS = (2, 3)
"""Words that a name has where they stand together."""

_hidden: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


def could_identify(part: str) -> bool:
    """Whether the name of a file or folder could be a person's name, number or date.

    Examples
    --------
    >>> [could_identify(name) for name in ("Mueller_Juergen", "Li.nii.gz", "1961-02-03")]
    [True, True, True]
    >>> [could_identify(name) for name in ("ct_study", "IM000123.dcm", "weird.nii", "1.2.840.1.7")]
    [False, False, False, False]
    """
    stem = part
    if _UID.fullmatch(stem.removesuffix(".dcm")):
        return False
    if _DATE.search(stem) or "^" in stem or "," in stem or "=" in stem:
        return True
    if not stem.isprintable():  # bytes of another encoding: what they say is not known
        return True
    words = _LETTERS.findall(stem)
    unknown = [word for word in words if len(word) > 1 and word.casefold() not in _WORDS]
    # Scripts without small letters have none to tell a name by.
    if any(not word.islower() for word in unknown):
        return True
    beside = {word.casefold() for word in words if len(word) > 1} - set(unknown)
    by_itself = [word for word in unknown if not re.search(rf"{word}\d", stem)]
    if beside <= _BESIDE_A_NAME and len(by_itself) in _NAME_PARTS:
        return True
    counted = {word.casefold() for word in words} - {"dcm", "ima"} <= _COUNTERS
    return any(
        len(number) >= 4 and not (number.startswith("0") or (counted and words))
        for number in re.findall(r"\d+", stem)
    )


def holds_word(part: str, words: Iterable[str]) -> bool:
    """Whether a part of a path holds one of a patient's words; short ones as a word of their own.

    Examples
    --------
    >>> holds_word("scans_of_li", ["Li"]), holds_word("liver", ["Li"])
    (True, False)
    >>> holds_word("ctmueller", ["Mueller"])
    True
    """
    own = part.casefold()
    tokens = set(re.findall(r"[^\W_]+", own))
    close = re.sub(r"[\W_]+", "", own)
    for word in words:
        plain = re.sub(r"[\W_]+", "", word.casefold())
        if plain and (plain in tokens or (len(plain) > 2 and plain in close)):
            return True
    return False


def keep_private(path: str | os.PathLike[str], words: Iterable[str] = ()) -> None:
    """Remember the parts of a path that no message may repeat.

    Parameters
    ----------
    path
        A path that somebody gave, or a file below it.
    words
        What a header says is the patient's: see `medcontour.scan.patient.patient_words`.
    """
    if _ADDRESS.match(os.fspath(path)):  # of an archive: what a message is about
        return
    known = tuple(words)
    found = [
        part
        for part in PurePath(path).parts
        if part not in _hidden and (could_identify(part) or (known and holds_word(part, known)))
    ]
    with _lock:
        for part in found:
            _hidden[part] = None
        while len(_hidden) > MOST:
            _hidden.popitem(last=False)


def discreet(text: str) -> str:
    """Give a text without the parts of paths that `keep_private` remembers; endings stay.

    Examples
    --------
    >>> keep_private("/archive/Mueller_Juergen/Li.nii.gz")
    >>> discreet("/archive/Mueller_Juergen/Li.nii.gz is an empty file; the liver is not.")
    '/archive/…/….nii.gz is an empty file; the liver is not.'
    """
    for part in sorted((part for part in tuple(_hidden) if part in text), key=len, reverse=True):
        ending = "".join(PurePath(part).suffixes[-2:])
        kept = ending if set(_LETTERS.findall(ending.casefold())) <= _WORDS else ""
        kept = "" if re.search(r"\d", kept) else kept
        word = re.escape(part)
        found = rf"(?<![^\W_]){word}(?![^\W_])"
        if part.isalpha() and part.islower():  # a word of any sentence
            found = rf"(?<=[/\\]){word}(?![^\W_])|(?<![^\W_]){word}(?=[/\\])"
        text = re.sub(found, f"{HIDDEN}{kept}", text)
    return text


def stored_path(path: str, folder: Path, words: Iterable[str] = ()) -> str | None:
    """Give what a result keeps of its scan's path: relative to its own folder, or nothing.

    Where headers say who the patient is, a path is kept none of whose parts holds one of these
    words or could be a person's name, number or date. Where nothing says so (NIfTI), all its parts
    must be plain words of the trade and numbers of three digits at most. A result and its scan
    can move together.

    Parameters
    ----------
    path
        The scan's absolute path.
    folder
        The result's folder.
    words
        What the scan's headers say is the patient's.

    Examples
    --------
    >>> stored_path("/a/b/sample_data/ct_study", Path("/a/b/out"))
    '../sample_data/ct_study'
    >>> stored_path("/a/b/mueller/ct_study", Path("/a/b/out")) is None
    True
    """
    try:
        relative = Path(os.path.relpath(path, folder.resolve()))
    except ValueError:  # on another drive
        return None
    known = tuple(words)
    for part in relative.parts:
        plain = all(
            word.casefold() in _WORDS or len(word) == 1 for word in _LETTERS.findall(part)
        ) and all(len(number) <= 3 for number in re.findall(r"\d+", part))
        if not (plain or known) or could_identify(part) or holds_word(part, known):
            return None
    return relative.as_posix()
