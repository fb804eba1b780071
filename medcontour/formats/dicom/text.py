"""Text of the source in another object: the same text where that is sure, else byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

__all__ = ["carry_text"]

_TEXT = ("PN", "LO", "SH", "LT", "ST", "UC", "UT")
_LOST = "\ufffd"  # what pydicom reads for bytes that the declared character set does not have
_ESCAPE = "\x1b"
_BYTES = "latin-1"  # each byte is a letter: pydicom's reading where no character set is declared


def carry_text(written: Dataset, source: Dataset) -> None:
    """Leave the source's text in an object as the source has it.

    The object is in UTF-8. What the source's declared character set (ISO 2022, GBK, ...) holds is
    the same text in it. Where the source has letters outside ASCII and declares no character set,
    an unknown one, or one of single bytes for what is UTF-8, nobody knows what they are: the
    object then declares what the source declares and holds the source's own bytes, and our own
    text in it is in ASCII. What the declared set cannot read is left empty: it is lost already. A
    sequence that holds such text, or such bytes, is left out whole. `left_empty` names both.

    Parameters
    ----------
    written
        The object, with the text attributes that were copied from the source; changed in place.
    source
        The header that they were copied from, as it was read.
    """
    declared = _declared(source)
    copied = [each for each in written if each.VR in _TEXT and each.tag in source]
    for element in copied:
        if _is_lost(element):
            element.value = ""
    inside = {each.tag: list(_nested(each)) for each in written if _is_copied(each, source)}
    for tag in [tag for tag, texts in inside.items() if any(map(_is_lost, texts))]:
        del written[tag], inside[tag]
    single = _single_bytes(declared)
    if single is None:
        return

    def raw_of(element: DataElement) -> bytes:
        return "\\".join(_texts(element)).encode(single)

    raws = {each.tag: (each.VR, raw_of(each)) for each in copied}
    unsure = [
        tag
        for tag, texts in inside.items()
        if any(_unsure(raw_of(each), declared) for each in texts)
    ]
    for tag in unsure:
        del written[tag]
    if not any(_unsure(raw, declared) for _, raw in raws.values()):
        return
    _to_ascii(written)
    for tag, (vr, raw) in raws.items():
        raw += b" " * (len(raw) % 2)
        written[tag] = RawDataElement(tag, vr, len(raw), raw, 0, True, True)
    if source.get("SpecificCharacterSet"):
        written.SpecificCharacterSet = source.SpecificCharacterSet
    else:
        del written.SpecificCharacterSet


def _is_copied(element: DataElement, source: Dataset) -> bool:
    """Whether an element is a sequence of the source's."""
    return element.VR == "SQ" and element.tag in source and source[element.tag] == element


def _nested(sequence: DataElement) -> Iterator[DataElement]:
    """Give the text attributes in a sequence, at any depth."""
    return (each for item in sequence.value for each in item.iterall() if each.VR in _TEXT)


def _is_lost(element: DataElement) -> bool:
    """Whether the declared set does not have what was read."""
    # Of an escape sequence that the declared set does not have, pydicom reads a part.
    return any(_LOST in text or _ESCAPE in text for text in _texts(element))


def _declared(source: Dataset) -> list[str]:
    declared = source.get("SpecificCharacterSet") or ""
    return [declared] if isinstance(declared, str) else [str(each or "") for each in declared]


def _single_bytes(declared: list[str]) -> str | None:
    """The encoding that gives back the source's bytes, None where a letter has several."""
    if len(declared) > 1:
        return None
    encoding = python_encoding.get(declared[0], _BYTES)
    try:
        return encoding if len("é".encode(encoding, "replace")) == 1 else None
    except LookupError:
        return _BYTES


def _unsure(raw: bytes, declared: list[str]) -> bool:
    """Whether nobody knows what text the bytes are."""
    if raw.isascii():
        return False
    if declared[0] in ("", "ISO_IR 6") or declared[0] not in python_encoding:
        return True
    try:
        return bool(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _texts(element: DataElement) -> list[str]:
    values = element.value
    several = values if isinstance(values, (MultiValue, list)) else [values]
    return ["" if value is None else str(value) for value in several]


def _to_ascii(dataset: Dataset) -> None:
    for element in dataset.iterall():
        if element.VR in _TEXT and element.value:
            plain = [text.encode("ascii", "replace").decode() for text in _texts(element)]
            element.value = plain if len(plain) > 1 else plain[0]
