"""One meaning of every choice: `Settings`, from which all faces take names, defaults and help."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from medcontour.errors import MedcontourError
from medcontour.explain.choices import (
    MOST_CONTOURS,
    Background,
    BackgroundName,
    ObjectiveName,
    Precision,
    PresetName,
    check_area,
    with_defaults,
)
from medcontour.limits import check_file
from medcontour.outline.promptable import Draw, PromptableModel, named_model
from medcontour.pipeline.slices import Slices, slice_notation
from medcontour.plugins import OUTLINERS, PROMPTABLE, found

__all__ = [
    "DEFAULTS",
    "LEARNED_PREFIX",
    "PROMPTED_PREFIX",
    "OutlineChoice",
    "Settings",
    "prompted_parts",
]

LEARNED_PREFIX = "learned:"
"""How the name of a learned outliner begins; its file follows."""

PROMPTED_PREFIX = "prompted:"
"""How that of a promptable network begins; its name follows, and the path of any weights."""

OutlineChoice = Literal["region", "none"] | str | PromptableModel | Draw
"""An outliner's name (`medcontour.outline.outliner`), none, or a promptable network itself."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides how contours are found, apart from the scan and the classifier.

    Frozen and hashable; equal settings give equal contours. Python's functions take these by
    keyword, the command line as options of the same names, MONAI Label's app as ``--conf``; the
    help of each is the text below.

    Attributes
    ----------
    target
        The class, by name or index. Default: the only one that names a finding.
    preset
        How contours are searched. fast: at most 50 evaluations a contour; thorough: the same, and
        60 more that finish the contour; paper: 1000, with the paper's curves (Eq. 12), area
        weight (Eq. 8) and background (blur).
    contours
        At most so many evidence contours a slice, 1 to 8, found together (Eq. 11); those that add
        nothing are dropped. auto: as many as add something.
    area
        Fraction of the slice that the one evidence contour is to cover (Eq. 10), e.g. 0.05.
        Default: the smallest that keeps the score.
    area_mm2
        The same in square millimetres, e.g. 400.
    area_weight
        What area costs, lambda_a of Eq. 5: with 10 a contour may grow by 1 % of the slice for a
        tenth of the score. Of a volume it is the price of the share to the power 2/3. Default: 10;
        the preset paper follows Eq. 8 and takes none.
    slices
        Which slices are looked at: an index from 0, a range A:B (B not included), or several with
        commas between, e.g. 10:20,25. Default: all.
    background
        The perturbation baseline: what replaces removed content. auto: for each slice the mildest
        that takes the class away. Default: auto; for the preset paper blur.
    objective
        What is to be kept and taken away. target: the log-odds of the class; embedding: the
        paper's cosine (Eq. 6), blind to the class.
    outline
        How the outline is found from the evidence. region: it follows the image; learned:FILE: as
        networks that `medcontour learn` trained on a set of images; prompted:NAME: with the help of
        a promptable network, litemedsam or sam2:FOLDER; none: no outlines, and label maps carry
        the evidence contours. Packages may add others (medcontour.outliners,
        medcontour.promptable).
    precision
        bfloat16: the search runs the network in half precision, faster on some machines and
        networks and slower on others. Everything is judged in float32.
    most_evaluations
        What the scan may cost; the slices with the highest scores come first, and a note names
        those left out. Default: no limit.
    most_seconds
        When to be done, at the pace so far; as above. Default: no limit.
    seed
        Of the random places that contours are compared with, the only thing drawn at random.

    Raises
    ------
    MedcontourError
        For a value that is not there or out of reach, and for two that exclude each other.

    Examples
    --------
    >>> Settings(slices=range(5, 8)).slices, Settings(preset="paper").background
    ('5:8', 'blur')
    >>> Settings() == Settings(area_weight=10, background="auto")
    True
    """

    target: str | int | None = None
    preset: PresetName = "fast"
    contours: int | Literal["auto"] = 1
    area: float | None = None
    area_mm2: float | None = None
    area_weight: float | None = None
    slices: Slices | None = None
    background: BackgroundName | Background | None = None
    objective: ObjectiveName = "target"
    outline: OutlineChoice = "region"
    precision: Precision = "float32"
    most_evaluations: float | None = None
    most_seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Settings).items():
            if (known := _literals(hint)) and not callable(getattr(self, name)):
                _check_name(name, getattr(self, name), known)
        self._check_outline()
        self._check_numbers()
        for name in ("area", "area_mm2", "area_weight", "most_evaluations", "most_seconds"):
            if getattr(self, name) is not None:
                self._set(name, float(getattr(self, name)))
        area_weight, background = with_defaults(self.preset, self.area_weight, self.background)
        self._set("area_weight", area_weight)
        self._set("background", background)
        if self.slices is not None:
            self._set("slices", slice_notation(self.slices))

    @property
    def most_contours(self) -> int:
        """How many contours a slice may have."""
        return MOST_CONTOURS if self.contours == "auto" else int(self.contours)

    @property
    def slices_notation(self) -> str | None:
        """Which slices, as `slice_notation` writes it; None for all."""
        return None if self.slices is None else slice_notation(self.slices)

    def to_dict(self) -> dict[str, Any]:
        """Give the settings as plain values, as ``suggestion.json`` holds them.

        A background that is no name is there as its ``repr``, a promptable network by its own
        name. A learned outliner, and weights, are there by their files' content: paths can hold
        names.

        Raises
        ------
        MedcontourError
            Where there is no such file.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["outline"] = _recorded(self.outline)
        named = isinstance(self.background, str)
        return values | {"background": self.background if named else repr(self.background)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Settings:
        """Take the settings from a mapping, such as a suggestion's; what is no setting is left."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        if isinstance(values.get("slices"), list):  # as schema 1 wrote a range
            values["slices"] = slice(*values["slices"])
        return cls(**values)

    @classmethod
    def from_text(cls, texts: Mapping[str, str]) -> Settings:
        """Take settings that are given as text, one name and value each.

        Raises
        ------
        MedcontourError
            For a name that is none, or a text that is no value of it; ``none`` is no limit.

        Examples
        --------
        >>> Settings.from_text({"contours": "auto", "most_seconds": "45"}).most_contours
        8
        """
        hints = get_type_hints(cls)
        values = {}
        for name, text in texts.items():
            if name not in hints:
                raise MedcontourError(
                    f"There is no setting {name}; choose from {', '.join(hints)}."
                )
            values[name] = _from_text(name, text, hints[name])
        return cls(**values)

    def key(self) -> str:
        """Give a name for these settings: the same for equal ones, another for others.

        Examples
        --------
        >>> Settings().key() == Settings(area_weight=10).key() != Settings(seed=1).key()
        True
        """
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_outline(self) -> None:
        if not isinstance(self.outline, str) or self.outline.startswith(LEARNED_PREFIX):
            return  # a file is looked for with the classifier at hand
        if self.outline.startswith(PROMPTED_PREFIX):
            _check_name(
                "promptable network", prompted_parts(self.outline)[0], (*found(PROMPTABLE),)
            )
        elif self.outline not in ("region", "none"):  # other packages' are only then looked for
            _check_name("outline", self.outline, (*found(OUTLINERS), "none"))

    def _check_numbers(self) -> None:
        many = self.contours
        if many != "auto" and (not isinstance(many, int) or not 1 <= many <= MOST_CONTOURS):
            raise MedcontourError(
                f"{many} contours a slice cannot be looked for; give 1 to {MOST_CONTOURS}, or auto."
            )
        if self.area is not None and self.area_mm2 is not None:
            raise MedcontourError("Both a fraction and square millimetres are given; choose one.")
        if many != 1 and not (self.area is None and self.area_mm2 is None):
            raise MedcontourError("An area is held by one contour; ask for one, or for no area.")
        if self.area is not None:
            check_area(self.area, self.preset)


def prompted_parts(outline: str) -> tuple[str, Path | None]:
    """Name and path of what ``prompted:NAME`` or ``prompted:NAME:PATH`` names.

    Examples
    --------
    >>> prompted_parts("prompted:litemedsam"), prompted_parts("prompted:sam2:weights")[0]
    (('litemedsam', None), 'sam2')
    """
    name, _, path = outline.removeprefix(PROMPTED_PREFIX).partition(":")
    return name, Path(path) if path else None


def _recorded(outline: OutlineChoice) -> str:
    """What a suggestion keeps of an outline's choice: no path."""
    if not isinstance(outline, str):
        return PROMPTED_PREFIX + named_model(outline).name
    if outline.startswith(LEARNED_PREFIX):
        return LEARNED_PREFIX + _digest(Path(outline.removeprefix(LEARNED_PREFIX)))
    if outline.startswith(PROMPTED_PREFIX):
        name, path = prompted_parts(outline)
        return outline if path is None else f"{PROMPTED_PREFIX}{name}:{_digest(path)}"
    return outline


def _digest(path: Path) -> str:
    """16 digits of the SHA-256 of what a file, or all files in a folder, hold."""
    content = hashlib.sha256()
    try:
        for own in sorted(path.iterdir()) if path.is_dir() else [path]:
            check_file(own)
            if not own.is_dir():
                with own.open("rb") as file:
                    while part := file.read(2**20):
                        content.update(part)
    except OSError as error:
        raise MedcontourError(
            f"{path} cannot be read ({error.strerror}); give one that is there."
        ) from error
    return content.hexdigest()[:16]


def _literals(hint: Any) -> tuple[Any, ...]:
    """Give the names that a type allows where it allows nothing but names."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    options = [o for o in get_args(hint) if o is not type(None) and get_origin(o) is not Callable]
    names = [name for option in options for name in _literals(option)]
    only = all(_literals(option) for option in options)
    return tuple(names) if names and only else ()


def _check_name(what: str, name: object, known: tuple[Any, ...]) -> None:
    if name is not None and name not in known:
        raise MedcontourError(f'There is no {what} "{name}"; choose from {", ".join(known)}.')


def _from_text(name: str, text: str, hint: Any) -> Any:
    options = set(get_args(hint)) or {hint}
    if text == "none" and type(None) in options and "none" not in _literals(hint):
        return None
    if str in options or name == "slices" or text in _literals(hint) or text == "auto":
        return text
    for kind in (int, float):
        if kind in options:
            try:
                return kind(text)
            except ValueError as error:
                raise MedcontourError(
                    f'"{text}" is no {name.replace("_", " ")}; give a number.'
                ) from error
    return text


DEFAULTS = Settings()
"""What every face takes where nothing else is said."""
