"""The outlines of a scan's slices, chosen for each object in the patient as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shapely import MultiPolygon

from medcontour.contour import PlaneShape
from medcontour.contour.polygons import overlap
from medcontour.outline import Outline
from medcontour.outline.stack import Candidate, choose_together, disagreement
from medcontour.pipeline.carry import (
    CARRYING,
    Images,
    Source,
    boundaries_from,
    drawn_in,
    place_mm,
    sources,
    step_across,
)
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.link import Extent, link
from medcontour.pipeline.outlines import against_size, far_larger
from medcontour.pipeline.placing import polygon_lps
from medcontour.pipeline.stack_notes import (
    APART,
    CARRIED,
    DISAGREES,
    FELL_BACK,
    GOES_ON,
    HARDLY,
    PARTLY,
    RAN_OUT,
)
from medcontour.pipeline.stack_parts import InStack, Stacked, Traced
from medcontour.scan import Scan

__all__ = ["AGREEMENT", "Agreement", "outline_stack"]


@dataclass(frozen=True)
class Agreement:
    """When outlines on several slices are of one object, and when one is none of it.

    Chosen on tuning phantoms alone (`experiments/stack_phantoms.py`).

    Attributes
    ----------
    grown
        What an outline larger than its evidence costs beside what it costs on its own slice, times
        the logarithm of their areas' ratio: large boundaries (a lung, the body) go on from slice to
        slice as well as the object's.
    close
        Disagreement with a neighbour (`disagreement`) up to which a slice looks for no other
        boundary: an object that tapers to two thirds of its area from slice to slice.
    least_overlap
        Intersection over union from which two outlines are of one place: an object that tapers to
        a fifth of its area. A boundary that ran out has a hundredth.
    """

    grown: float = 0.8
    close: float = 0.3
    least_overlap: float = 0.2


AGREEMENT = Agreement()

SETTLED = -1e6
"""Energy of an outline that stands whatever is chosen beside it."""


def outline_stack(
    traced: Sequence[Traced],
    scan: Scan,
    scores: Mapping[int, float],
    images: Images,
    agreement: Agreement = AGREEMENT,
) -> Stacked:
    """Choose the outlines of all slices of a scan together, object by object.

    What lies on neighbouring slices at one place is one object (`link`). Its boundaries are those
    that together speak least against: each one's own energy, and what neighbours disagree
    (`choose_together`). Where slices disagree, boundaries are looked for from the neighbours'
    outlines too, and all are chosen anew. A contour that is alone keeps the boundary that its own
    slice says is best. An outline that disagrees with its object's, or is far from its evidence
    and backed by no neighbour, is left out. Last, slices beside and between an object's are taken
    in where its outline goes on from one that is suggested: the classifier need not call them
    positive, but beyond one that it does not, none is taken in. At its ends, where it fills only a
    part of a slice's thickness, an object's outline is drawn in.

    Parameters
    ----------
    traced
        Evidence contours with what their slices offer, in any order.
    scan
        Their scan.
    scores
        Of the slices looked at; no other is taken in.
    images
        What follows boundaries and hears the classifier.
    agreement
        When outlines are of one object.
    """
    stack = _Stack(scan, images, agreement)
    for one in traced:
        best, polarity = one.offer.best, one.offer.polarity
        contour = _Contour(one.slice, one.evidence, polarity, best, best, goes_on=one.suggested)
        stack.offer(contour, one.offer.outlines, one.offer.energies)
        stack.contours.append(contour)
    groups = link([stack.extent(contour, trusted=True) for contour in stack.contours], scan)
    chains = [[stack.contours[n] for n in group] for group in groups]
    for chain in chains:
        if len(chain) > 1:
            stack.choose(chain)
    stack.carry_over(chains)
    for chain in chains:
        stack.leave_out_floods(chain)
        stack.leave_out(chain)
    stack.go_on(scores)
    stack.draw_in()
    contours = [InStack(c.slice, c.outline, c.note, c.evaluations) for c in stack.contours]
    return Stacked(tuple(contours), tuple(stack.objects()))


@dataclass(eq=False)
class _Contour:
    """One contour while its outline is chosen; without evidence on a slice that was taken in."""

    slice: int
    evidence: PlaneShape | None
    polarity: float
    outline: Outline | None
    own: Outline | None = None  # the best that its slice offers
    outlines: list[Outline] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    goes_on: bool = True  # slices beside it may be taken in
    flooded: bool = False  # boundaries far larger than its evidence were left out
    note: str = ""
    evaluations: float = 0.0


@dataclass
class _Stack:
    scan: Scan
    images: Images
    agreement: Agreement
    contours: list[_Contour] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.heights = self.scan.slice_heights_mm

    def offer(self, one: _Contour, outlines: Sequence[Outline], energies: Sequence[float]) -> None:
        """Give a contour more boundaries to choose from."""
        assert one.evidence is not None
        evidence = float(one.evidence.area())
        for outline, energy in zip(outlines, energies, strict=True):
            grown = math.log(max(1.0, float(outline.contour.area()) / evidence))
            place = place_mm(outline.contour, self.scan, one.slice)
            one.outlines.append(outline)
            one.candidates.append(Candidate(place, energy + self.agreement.grown * grown))

    def extent(self, one: _Contour, *, trusted: bool = False) -> Extent:
        """Where it lies: its outline, or its evidence where it has none, or none to be trusted."""
        own = one.outline
        stands_in = own is None or (trusted and self.ran_out(one))
        curve = one.evidence if own is None or stands_in else own.contour
        assert curve is not None  # what has no evidence has an outline
        return Extent(one.slice, polygon_lps(curve, self.scan, one.slice), stands_in)

    def ran_out(self, one: _Contour) -> bool:
        """Whether the outline is far larger than its evidence."""
        if one.outline is None or one.evidence is None:
            return False
        return far_larger(float(one.outline.contour.area()), float(one.evidence.area()))

    def objects(self) -> list[tuple[int, ...]]:
        """Places in `contours` of each object's, as they are now."""
        return link([self.extent(one) for one in self.contours], self.scan)

    def choose(self, chain: Sequence[_Contour]) -> None:
        """Choose the outlines of one object together."""
        places = [float(self.heights[one.slice]) for one in chain]
        best = choose_together([one.candidates for one in chain], places)
        for one, k in zip(chain, best, strict=True):
            one.outline = None if k is None else one.outlines[k]

    def carry_over(self, chains: Sequence[Sequence[_Contour]]) -> None:
        """Look for boundaries from the neighbours' outlines where they disagree; choose anew."""
        wanted: list[tuple[_Contour, Source]] = []
        for chain in chains:
            from_slice = self.sources(chain)
            for place, one in enumerate(chain):
                beside = (*chain[max(place - 1, 0) : place], *chain[place + 1 : place + 2])
                wanted += [
                    (one, from_slice[other.slice])
                    for other in beside
                    if other.slice in from_slice and not self.close(one, other)
                ]
        slices = [one.slice for one, _ in wanted]
        starts, polarity = [start for _, start in wanted], [one.polarity for one, _ in wanted]
        found = boundaries_from(self.scan, self.images, slices, starts, polarity)
        energies, costs = self.images.energies(slices, found)
        for (one, _), some, own, cost in zip(wanted, found, energies, costs, strict=True):
            assert one.evidence is not None
            one.evaluations += cost
            self.offer(one, some, against_size(some, own, one.evidence))
        for chain in chains:
            if any(one in [each for each, _ in wanted] for one in chain):
                self.choose(chain)

    def sources(self, contours: Sequence[_Contour]) -> dict[int, Source]:
        """The outlines of one object to look from, by slice."""
        return sources(
            self.scan, [(one.slice, one.outline) for one in contours if one.outline is not None]
        )

    def close(self, one: _Contour, other: _Contour) -> bool:
        """Whether both have outlines that agree."""
        if one.outline is None or other.outline is None:
            return False
        apart = abs(float(self.heights[one.slice] - self.heights[other.slice]))
        places = [
            place_mm(own.contour, self.scan, each.slice)
            for each in (one, other)
            if (own := each.outline) is not None
        ]
        return disagreement(places[0], places[1], apart) <= self.agreement.close

    def leave_out_floods(self, chain: Sequence[_Contour]) -> None:
        """Choose anew without boundaries that ran out where none that did not goes with them.

        What an object lies in goes on from slice to slice as it does, and floods of several slices
        agree.
        """
        if self.scan.slices == 1:
            return
        while floods := [
            one for one in chain if self.ran_out(one) and not self._backed(one, chain)
        ]:
            for one in floods:
                assert one.evidence is not None
                evidence = float(one.evidence.area())
                sound = [
                    (outline, candidate)
                    for outline, candidate in zip(one.outlines, one.candidates, strict=True)
                    if not far_larger(float(outline.contour.area()), evidence)
                ]
                one.outlines = [outline for outline, _ in sound]
                one.candidates = [candidate for _, candidate in sound]
                one.flooded = True
            self.choose(chain)

    def _backed(self, one: _Contour, chain: Sequence[_Contour]) -> bool:
        """Whether an outline is of one place with one of its object that did not run out."""
        assert one.outline is not None
        place = place_mm(one.outline.contour, self.scan, one.slice)
        return any(
            overlap(place, place_mm(other.outline.contour, self.scan, other.slice))
            >= self.agreement.least_overlap
            for other in chain
            if other is not one and other.outline is not None and not self.ran_out(other)
        )

    def leave_out(self, chain: Sequence[_Contour]) -> None:
        """Leave out what disagrees with its object or is far from its evidence, and say so."""
        places = [
            None if own.outline is None else place_mm(own.outline.contour, self.scan, own.slice)
            for own in chain
        ]
        for n, (one, place) in enumerate(zip(chain, places, strict=True)):
            if place is None:
                one.note = RAN_OUT if one.flooded else DISAGREES if one.own is not None else ""
                continue
            others = [other for other in (*places[:n], *places[n + 1 :]) if other is not None]
            one.note = FELL_BACK if one.flooded else CARRIED if self._carried(one) else ""
            if max((overlap(place, other) for other in others), default=0.0) >= (
                self.agreement.least_overlap
            ):
                continue
            assert one.evidence is not None
            evidence = place_mm(one.evidence, self.scan, one.slice)
            if any(place.intersects(other) for other in others):
                one.note, one.outline = DISAGREES, None
            elif self.scan.slices > 1 and _apart(place, evidence):
                one.note, one.outline = RAN_OUT if one.flooded else APART, None

    def _carried(self, one: _Contour) -> bool:
        """Whether the outline is another than any that its own slice would have given."""
        if one.outline is None or one.own is None:
            return one.outline is not None
        places = [place_mm(own.contour, self.scan, one.slice) for own in (one.outline, one.own)]
        return overlap(places[0], places[1]) < self.agreement.least_overlap

    def go_on(self, scores: Mapping[int, float]) -> None:
        """Take in slices beside and between an object's where its outline goes on."""
        tried: set[tuple[int, int]] = set()
        while beside := self._beside(scores, tried):
            slices = [k for k, starts in beside for _ in starts]
            starts = [start for _, some in beside for start in some]
            tried |= {(k, start.slice) for k, start in zip(slices, starts, strict=True)}
            polarity = [math.copysign(1.0, start.step) for start in starts]
            found = iter(boundaries_from(self.scan, self.images, slices, starts, polarity))
            for k, near in beside:
                some = [outline for _ in near for outline in next(found)]
                best = self._going_on(k, some, near)
                if best is not None and self._free(k, best):
                    self.contours.append(_Contour(k, None, 0.0, best, note=GOES_ON))

    def _beside(
        self, scores: Mapping[int, float], tried: set[tuple[int, int]]
    ) -> list[tuple[int, list[Source]]]:
        """Slices that an object may go on to, and its outlines beside them."""
        beside = []
        for group in self.objects():
            own = [self.contours[n] for n in group]
            taken = {one.slice for one in own}
            starts = self.sources(
                [
                    one
                    for one in own
                    if one.goes_on and (one.evidence is not None or scores[one.slice] > POSITIVE)
                ]
            )
            for k in sorted({j + step for j in starts for step in (-1, 1)} - taken):
                near = [starts[j] for j in (k - 1, k + 1) if j in starts]
                if k in scores and any((k, start.slice) not in tried for start in near):
                    beside.append((k, near))
        return beside

    def _going_on(self, k: int, some: Sequence[Outline], near: Sequence[Source]) -> Outline | None:
        """The boundary on slice `k` that goes with the outlines beside it, if one does."""
        own = [Candidate(place_mm(one.contour, self.scan, k), one.energy) for one in some]
        fixed = [
            Candidate(place_mm(start.outline.contour, self.scan, start.slice), SETTLED)
            for start in near
        ]
        chain = [(start.slice, [each]) for start, each in zip(near, fixed, strict=True)]
        chain = sorted([*chain, (k, own)], key=lambda pair: pair[0])
        places = [float(self.heights[j]) for j, _ in chain]
        chosen = choose_together([each for _, each in chain], places)
        best = chosen[[j for j, _ in chain].index(k)]
        if best is None or any(
            overlap(own[best].region, other.region) < self.agreement.least_overlap
            for other in fixed
        ):
            return None
        return some[best]

    def draw_in(self) -> None:
        """Draw in the outlines at an object's ends where it fills only a part of the slices."""
        for group in [[self.contours[n] for n in own] for own in self.objects()]:
            own = [(one, outline) for one in group if (outline := one.outline) is not None]
            if len(own) < 2:
                continue
            steps = [step_across(outline.contour, self.scan, one.slice) for one, outline in own]
            for end, inner in ((0, 1), (-1, -2)):
                one, outline = own[end]
                if steps[end] / (steps[inner] or math.inf) >= CARRYING.partial:
                    continue
                curve, share = drawn_in(outline.contour, self.scan, one.slice, steps[inner])
                if curve is None and one.evidence is None:
                    self.contours.remove(one)
                elif curve is None:
                    one.outline, one.note = None, HARDLY
                elif share < 1:
                    quality = {**outline.quality, "drawn_in": share}
                    one.outline = replace(outline, contour=curve, quality=quality)
                    one.note = f"{one.note} {PARTLY}".strip()

    def _free(self, k: int, outline: Outline) -> bool:
        """Whether no other object's outline takes this one's place on slice `k`."""
        place = place_mm(outline.contour, self.scan, k)
        return not any(
            place_mm(one.outline.contour, self.scan, k).intersects(place)
            for one in self.contours
            if one.slice == k and one.outline is not None
        )


def _apart(place: MultiPolygon, evidence: MultiPolygon) -> bool:
    """Whether an outline is farther from its evidence than that one's own radius."""
    return bool(place.distance(evidence) > math.sqrt(evidence.area / math.pi))
