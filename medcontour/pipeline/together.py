"""What was found slice by slice, with the outlines of the whole stack chosen together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from medcontour.pipeline.explainer import Explained, Explainer
from medcontour.pipeline.placing import placed
from medcontour.pipeline.stack import outline_stack
from medcontour.pipeline.stack_images import StackImages
from medcontour.pipeline.stack_parts import InStack
from medcontour.results import FindingSlice
from medcontour.results.status import STATUSES, Status

__all__ = ["outlined_together"]


def outlined_together(
    found: Sequence[Explained], explainer: Explainer, scores: Mapping[int, float]
) -> list[FindingSlice]:
    """Give the results of all slices with outlines that agree, and of those taken in; by slice.

    A single image, and a result that choosing together leaves as it is, stay untouched.
    """
    parts = [each.part for each in found]
    if explainer.scan.slices > 1 and explainer.settings.outline != "none":
        images = StackImages(explainer)
        traced = [one for each in found for one in each.traced]
        stacked = outline_stack(traced, explainer.scan, scores, images)
        contours = iter(stacked.contours)
        chosen = [[next(contours) for _ in each.traced] for each in found]
        parts = [_with_outlines(each, own, images) for each, own in zip(found, chosen, strict=True)]
        owners = [each.part.status for each in found for _ in each.traced]
        for place, contour in enumerate(contours, start=len(traced)):
            [group] = [own for own in stacked.objects if place in own]
            statuses = [owners[n] for n in group if n < len(traced)]
            if statuses:
                parts.append(_taken_in(contour, statuses, explainer, scores))
    return sorted(parts, key=lambda part: part.slice)


def _with_outlines(each: Explained, own: Sequence[InStack], images: StackImages) -> FindingSlice:
    """One result with the outlines chosen for it."""
    pairs = list(zip(own, each.traced, strict=True))
    if all(contour.outline is one.offer.best for contour, one in pairs):
        return each.part
    outlines = [contour.outline for contour in own if contour.outline is not None]
    notes = dict.fromkeys(contour.note for contour in own if contour.note)
    others = [one for contour, one in pairs if contour.outline is not None or not contour.note]
    notes |= dict.fromkeys(images.explainer.outline_notes(others, outlines))
    evidence = each.part.evidence
    assert evidence is not None  # it was looked for
    spent = evidence.evaluations + sum(contour.evaluations for contour in own)
    return replace(
        each.part,
        evidence=replace(evidence, evaluations=spent),
        outlines=tuple(images.placed([each.part.slice] * len(outlines), outlines)),
        note=" ".join([each.note, *notes]).strip(),
    )


def _taken_in(
    contour: InStack, statuses: Sequence[Status], explainer: Explainer, scores: Mapping[int, float]
) -> FindingSlice:
    """The result of a slice on which an object's outline goes on; as sure as the object is."""
    outline, k, scan = contour.outline, contour.slice, explainer.scan
    assert outline is not None  # it is what the slice was taken in for
    return FindingSlice(
        slice=k,
        sop_instance_uid=scan.sop_instance_uid(k),
        label=explainer.classifier.labels[explainer.target],
        score=scores[k],
        status=min(statuses, key=STATUSES.index),
        evidence=None,
        evidence_contours=(),
        outlines=(placed(outline.contour, "outline", k, dict(outline.quality), scan),),
        note=contour.note,
    )
