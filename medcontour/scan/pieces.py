"""The pictures of a series: files, frames where a file has places for several, and odd ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from medcontour.errors import MedcontourError
from medcontour.scan.headers import ImageFile, damaged, text
from medcontour.scan.pixels import numbers
from medcontour.scan.series import numbered

__all__ = ["Piece", "pieces_of", "set_apart"]

# What places and scales a frame of an enhanced object, each in a sequence of one item.
_FRAME_MACROS = (
    "PixelMeasuresSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
)


_SPLIT = (
    "write the frame to be read as an image (dcmtk: dcmj2pnm --write-png --frame 1 IN OUT.png), "
    "or convert a volume to NIfTI, for example with dcm2niix."
)


# What several frames without a place each are, by Modality.
_SEVERAL = {
    "US": "an ultrasound clip",
    "IVUS": "an ultrasound clip",
    "XA": "an angiographic run",
    "RF": "a run of fluoroscopy",
    "NM": "a nuclear medicine study of several views, energies or times",
    "ES": "an endoscopic clip",
    "GM": "a microscopic clip",
    "SM": "the tiles of a slide",
    "MG": "a stack of mammograms",
}

# ImageType, value 3 (DICOM PS3.3 C.8.2.1.1.1), and what scanners write for it.
_LOCALIZERS = ("LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM")
# Directions further apart than this are another plane; rounding stays far below (2.5 degrees).
_OTHER_PLANE = np.cos(np.radians(2.5))
# Of a series, what may lie in other planes and be set apart: beyond, it has several stacks.
_FEW = 1 / 3


@dataclass(frozen=True, eq=False)
class Piece:
    """One picture of a series: a file, and the frame where the file has places for several.

    `groups` holds the attributes that place and scale it, named alike for both kinds.
    """

    file: ImageFile
    frame: int | None
    groups: Dataset

    @property
    def name(self) -> str:
        """What to call it in a message."""
        name = self.file.path.name
        return name if self.frame is None else f"{name} frame {self.frame + 1}"


def pieces_of(files: Sequence[ImageFile]) -> list[Piece]:
    """Give the pictures that files hold.

    Raises
    ------
    MedcontourError
        For several frames without a place each, and a file that is damaged.
    """
    pieces: list[Piece] = []
    for file in files:
        if file.enhanced:
            pieces.extend(_frames(file))
        elif file.frames > 1:
            kind = _SEVERAL.get(file.modality, "a clip or another multi-frame object")
            raise MedcontourError(
                f"{file.path.name} holds {file.frames} frames without a place in the patient each "
                f"({kind}); {_SPLIT}"
            )
        else:
            pieces.append(Piece(file, None, file.header))
    return pieces


def _frames(file: ImageFile) -> Iterator[Piece]:
    """Give the frames of an enhanced object: DICOM PS3.3 C.7.6.16."""
    try:
        per_frame = list(file.header.PerFrameFunctionalGroupsSequence)
        shared = list(file.header.get("SharedFunctionalGroupsSequence") or [])[:1]
        if len(per_frame) != file.frames:
            raise ValueError("as many items as frames are due")
        for number, item in enumerate(per_frame):
            groups = Dataset()
            for source in (*shared, item):
                for macro in _FRAME_MACROS:
                    for attributes in (source.get(macro) or [])[:1]:
                        groups.update(attributes)
            if not groups.get("ImagePositionPatient"):
                raise MedcontourError(
                    f"{file.path.name} holds {file.frames} frames without a place in the patient "
                    f"each (PlanePositionSequence); {_SPLIT}"
                )
            yield Piece(file, number, groups)
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged(file.path) from error


def set_apart(pieces: Sequence[Piece]) -> tuple[list[Piece], tuple[str, ...]]:
    """Leave out what shares a series with slices and is none of them.

    That is what ImageType calls a localizer; the few that lie in another plane than most; and what
    has no place, and is of another kind (SOP class, size or colour) than the slices that have one.
    Nothing is left out where nothing or no slice would remain.

    Returns
    -------
    slices, notes
        The notes say which were left out, by number.
    """
    localizers = [piece for piece in pieces if _is_localizer(piece)]
    rest = [piece for piece in pieces if piece not in localizers]
    if not rest:
        localizers, rest = [], list(pieces)
    elsewhere = _elsewhere(rest)
    rest = [piece for piece in rest if piece not in elsewhere]
    unplaced = _unplaced(rest)
    rest = [piece for piece in rest if piece not in unplaced]
    notes = (
        _said(localizers, len(pieces), "a localizer (ImageType)"),
        _said(elsewhere, len(pieces), "in another plane than the rest"),
        _said(unplaced, len(pieces), "of another kind, without a place"),
    )
    return rest, tuple(note for note in notes if note)


def _said(left: Sequence[Piece], total: int, what: str) -> str:
    if not left:
        return ""
    numbers_of = numbered({piece.file.number for piece in left})
    return (
        f"{len(left)} of {total} images of the series {'is' if len(left) == 1 else 'are each'} "
        f"{what} and left out ({numbers_of} in the order of names)."
    )


def _is_localizer(piece: Piece) -> bool:
    kinds = piece.file.header.get("ImageType") or ()
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return any(str(kind).upper() in _LOCALIZERS for kind in kinds)


def _elsewhere(pieces: Sequence[Piece]) -> list[Piece]:
    """Find the few whose plane is not that of most."""
    normals = {index: normal for index, piece in enumerate(pieces) if (normal := _normal(piece))}
    if len(normals) < 3:
        return []
    among = np.array(list(normals.values()))
    alike = np.abs(among @ among.T) >= _OTHER_PLANE
    usual = alike[alike.sum(axis=1).argmax()]
    others = [pieces[index] for index, same in zip(normals, usual, strict=True) if not same]
    return others if len(others) <= _FEW * len(normals) else []


def _normal(piece: Piece) -> tuple[float, ...] | None:
    try:
        cosines = np.array(numbers(piece.groups, "ImageOrientationPatient")).reshape(2, 3)
    except (ValueError, TypeError):
        return None
    normal = np.cross(*cosines)
    length = float(np.linalg.norm(normal))
    return tuple(normal / length) if np.isfinite(length) and length > 0 else None


def _unplaced(pieces: Sequence[Piece]) -> list[Piece]:
    """Find those without a place whose kind none has that has a place."""
    kinds = {_kind(piece) for piece in pieces if piece.groups.get("ImagePositionPatient")}
    bare = [piece for piece in pieces if not piece.groups.get("ImagePositionPatient")]
    return [piece for piece in bare if kinds and _kind(piece) not in kinds]


def _kind(piece: Piece) -> tuple[object, ...]:
    header = piece.file.header
    colour = text(header, "PhotometricInterpretation")
    return text(header, "SOPClassUID"), piece.file.size, colour
