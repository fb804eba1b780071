"""Which suggested structure each shape of a file is: by its shape, then by its number and name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from shapely import MultiPolygon

from medcontour.contour.polygons import mask_polygons, region, union
from medcontour.edits.names import Key, Names
from medcontour.edits.suggested import Painted, Suggested, is_as_drawn
from medcontour.formats.place import plane_mm
from medcontour.formats.shapes import EditedShape

__all__ = ["Known", "identify", "region_of"]


@dataclass(frozen=True)
class MatchConstants:
    """The overlaps (Dice) by which a shape is known. Chosen by hand.

    Attributes
    ----------
    least
        From which a shape of an unknown name and number is taken for a suggested structure.
    with_number
        How much is enough where the number is the structure's own.
    clear
        From which a shape is known by it before its number and a name that was changed.
    apart
        How much more than with any other structure that must be.
    """

    least: float = 0.25
    with_number: float = 0.2
    clear: float = 0.8
    apart: float = 0.2


OVERLAP = MatchConstants()


@dataclass(frozen=True)
class Known:
    """What one shape of the file is.

    Attributes
    ----------
    shape
        The shape.
    key
        The structure that it is of; None for one that nothing was suggested of.
    same
        Whether it is that structure's own curve or mask, untouched.
    group
        Which of the file's structures it is in.
    """

    shape: EditedShape
    key: Key | None
    same: bool
    group: int


@dataclass
class _Group:
    """The shapes that a file calls one thing."""

    name: str
    number: int | None
    places: list[int]
    exact: Counter[Key]
    key: Key | None = None


class _File:
    """What a file holds, counted once: files may hold thousands of shapes on one slice.

    Attributes
    ----------
    shapes
        Its shapes.
    exact
        Of each shape, the structures whose own curve or mask it is, with how surely.
    groups
        What the file calls one thing.
    suggested
        What was suggested.
    names
        What that is called in files of this format.
    numbered
        Whether any group has a number.
    """

    def __init__(
        self, shapes: Sequence[EditedShape], painted: Painted, suggested: Suggested, names: Names
    ) -> None:
        self.shapes = shapes
        self.suggested = suggested
        self.names = names
        self.exact = [_exact(shape, painted, suggested) for shape in shapes]
        self.groups = _grouped(shapes, self.exact)
        self.numbered = any(group.number is not None for group in self.groups)
        self._called = Counter(tuple(names.own(group.name)) for group in self.groups)
        self._groups: dict[int, Counter[Key]] = defaultdict(Counter)
        self._own: dict[tuple[int, int], Counter[Key]] = defaultdict(Counter)
        self._all: dict[int, Counter[Key]] = defaultdict(Counter)
        self._shapes: Counter[tuple[int, int]] = Counter()
        for group in self.groups:
            for i in group.places:
                k, keys = shapes[i].slice, list(self.exact[i])
                self._own[id(group), k].update(keys)
                self._all[k].update(keys)
                self._shapes[id(group), k] += 1

    def count(self, group: _Group, k: int) -> int:
        """How many shapes of a group slice `k` holds."""
        return self._shapes[id(group), k]

    def exact_on(self, k: int) -> set[Key]:
        """Structures whose own curve or mask is in the file, on slice `k`."""
        return {*self._all[k]}

    def exact_of_others(self, group: _Group, k: int) -> set[Key]:
        """Those whose own curve or mask is in a group other than this, on slice `k`."""
        return {*(self._all[k] - self._own[id(group), k])}

    def settle(self) -> None:
        """Count what the groups are, once all have their keys."""
        for group in self.groups:
            if group.key is not None:
                for k in {self.shapes[i].slice for i in group.places}:
                    self._groups[k][group.key] += 1

    def keys_of_others(self, group: _Group, k: int) -> set[Key]:
        """What the other groups with a shape on slice `k` are."""
        mine = Counter([group.key] if group.key and self.count(group, k) else [])
        return {*(self._groups[k] - mine)}

    def is_alone(self, group: _Group) -> bool:
        """Whether no other group is called by the name of the same structures."""
        return self._called[tuple(self.names.own(group.name))] == 1


def identify(
    shapes: Sequence[EditedShape],
    painted: Painted,
    suggested: Suggested,
    names: Names,
    numbers: dict[int, list[Key]],
) -> list[Known]:
    """Say of each shape which suggested structure it is of.

    Other tools write underscores for blanks, cut names, add numbers, drop keys and number anew;
    they leave the curves. So a structure of the file is the suggested one whose curves (pixels)
    most of its own are; else the one that is called so, that it clearly covers, that has its
    number, that is likely called so, or that it overlaps most and nothing else of the file is.

    Parameters
    ----------
    shapes
        The shapes of the file; no mask holds more than one label (`medcontour.edits.merged`).
    painted
        The masks of the file.
    suggested
        What was suggested.
    names, numbers
        What the structures are called, and numbered, in files of this format.
    """
    file = _File(shapes, painted, suggested, names)
    groups = file.groups
    for group in groups:
        if group.exact:
            own = names.own(group.name)
            numbered = numbers.get(group.number or 0, [])
            group.key = max(
                group.exact, key=lambda key: (group.exact[key], key in own, key in numbered)
            )
    taken: set[tuple[Key | None, int]] = {
        (g.key, shapes[i].slice) for g in groups for i in g.places if g.key
    }
    for group in (g for g in groups if not g.exact):
        group.key = _likely(group, file, numbers, taken)
    file.settle()
    found: dict[int, Known] = {}
    for number, group in enumerate(groups):
        for i in group.places:
            key = _own_key(i, group, file)
            found[i] = Known(shapes[i], key, key in file.exact[i], number)
    return [found[i] for i in range(len(shapes))]


def _grouped(shapes: Sequence[EditedShape], exact: Sequence[Counter[Key]]) -> list[_Group]:
    groups: dict[tuple[str, int | None, str | None], _Group] = {}
    for i, shape in enumerate(shapes):
        new = _Group(shape.name, shape.number, [], Counter())
        group = groups.setdefault((shape.name, shape.number, shape.kind), new)
        group.places.append(i)
        group.exact += exact[i]
    return list(groups.values())


def _exact(shape: EditedShape, painted: Painted, suggested: Suggested) -> Counter[Key]:
    """The structures whose own curve or mask a shape is, with how surely."""
    k = shape.slice
    keys = [key for key in suggested.on_slice(k) if shape.kind in (None, key[1])]
    found: Counter[Key] = Counter()
    if shape.values is None:
        for key in keys:
            found[key] = any(
                is_as_drawn(shape, c, suggested.scan) for c in suggested.contours(key, k)
            )
    else:
        hidden = painted.hidden(k, but=shape) if keys else None
        for key in keys:
            found[key] = suggested.is_mask_of(shape.values, key, k, hidden)
    return +found


def _likely(
    group: _Group,
    file: _File,
    numbers: dict[int, list[Key]],
    taken: set[tuple[Key | None, int]],
) -> Key | None:
    """The structure of a group whose shapes are nobody's own."""
    mine = [file.shapes[i] for i in group.places]
    kind = mine[0].kind

    def of_kind(keys: Iterable[Key]) -> list[Key]:
        return [key for key in keys if kind in (None, key[1])]

    overlaps = {key: _overlap(mine, key, file.suggested) for key in of_kind(file.suggested.keys)}
    free = {k: v for k, v in overlaps.items() if not any((k, s.slice) in taken for s in mine)}

    def best(keys: Sequence[Key]) -> Key:
        return max(keys, key=lambda key: overlaps.get(key, 0.0))

    named = of_kind(file.names.own(group.name))
    numbered = of_kind(numbers.get(group.number or 0, []))
    # Where nothing has a number the shapes are curves, each with a name of its own.
    if named and (file.is_alone(group) or not file.numbered or kind):
        return best(named)
    order = sorted(free.values(), reverse=True)
    if order and order[0] >= OVERLAP.clear and order[0] - sum(order[1:2]) >= OVERLAP.apart:
        return max(free, key=free.__getitem__)
    nameless = not group.name
    if numbered and (nameless or overlaps.get(best(numbered), 0.0) >= OVERLAP.with_number):
        return best(numbered)
    if found := named or of_kind(file.names.likely(group.name)):
        return best(found)
    top = max(free, key=free.__getitem__, default=None)
    return top if top is not None and free[top] >= OVERLAP.least else None


def _own_key(i: int, group: _Group, file: _File) -> Key | None:
    """The group's structure, but what is another's own curve or mask is that other's.

    A polygon that is an evidence contour is evidence anywhere, unless somebody put it there for
    the outline: then it is in the file once more, as evidence, and the outline is not.
    """
    shape, mine = file.shapes[i], file.exact[i]
    editable = file.suggested.editable
    own = [key for key in mine if key[1] == editable]
    if own and group.key not in mine:
        return own[0]
    evidence = [key for key in mine if key[1] == "evidence" != editable]
    if group.key in mine:
        return group.key
    if shape.values is not None or not evidence:
        return _beside(i, group, file)
    if group.key is None or group.key[1] == "evidence":
        return evidence[0]
    others = file.exact_of_others(group, shape.slice)
    moved = evidence[0] in others and group.key not in others
    alone = file.count(group, shape.slice) == 1
    return group.key if moved and alone else evidence[0]


def _beside(i: int, group: _Group, file: _File) -> Key | None:
    """The finding that a changed shape lies on, where it is not its group's.

    Files that call all findings of a class one name say no more than the class: each shape is of
    the finding that it overlaps, and a new one of the class where it overlaps none.
    """
    key, shape, suggested = group.key, file.shapes[i], file.suggested
    if key is None or key[1] != suggested.editable:
        return key
    of_class = key[0] not in suggested.labels
    merged = of_class or suggested.is_category(group.name)
    if not merged and (_overlap([shape], key, suggested) > 0 or group.name):
        return key
    there = file.exact_on(shape.slice) | file.keys_of_others(group, shape.slice)
    free = {
        k: _overlap([shape], k, suggested)
        for k in suggested.on_slice(shape.slice)
        if k[1] == suggested.editable and k not in there
    }
    best = max(free, key=free.__getitem__, default=None)
    if best is not None and free[best] > 0:
        return best
    if not merged:
        return key
    name = key[0] if of_class else suggested.labels[key[0]].category
    return (name, suggested.editable)


def _overlap(shapes: Sequence[EditedShape], key: Key, suggested: Suggested) -> float:
    """Dice of shapes with a structure, over the slices that the shapes are on."""
    by_slice: dict[int, list[EditedShape]] = defaultdict(list)
    for shape in shapes:
        by_slice[shape.slice].append(shape)
    if not any(suggested.contours(key, k) for k in by_slice):
        return 0.0
    shared = areas = 0.0
    row, column = suggested.scan.pixel_spacing
    for k, here in by_slice.items():
        own = suggested.region(key, k)
        if here[0].values is not None:
            inside = np.any([s.values >= 0.5 for s in here if s.values is not None], axis=0)
            mask = suggested.mask(key, k)
            shared += float((inside & mask).sum()) * row * column
            areas += float(inside.sum() + mask.sum()) * row * column
            continue
        drawn = union(region_of(s, suggested) for s in here)
        shared += drawn.intersection(own).area
        areas += drawn.area + own.area
    return 2 * shared / areas if areas else 0.0


def region_of(shape: EditedShape, suggested: Suggested) -> MultiPolygon:
    """What a shape encloses, in mm of its slice's plane."""
    row, column = suggested.scan.pixel_spacing
    if shape.values is not None:
        return union(region(p * (column, row)) for p in mask_polygons(shape.values))
    assert shape.polygon_lps_mm is not None
    return region(plane_mm(shape.polygon_lps_mm, suggested.scan, shape.slice))
