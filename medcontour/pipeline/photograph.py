"""One photograph, one network: the contour of its evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from medcontour.classifier import Classifier, Prepared, target_index
from medcontour.errors import MedcontourError
from medcontour.explain import (
    PRESETS,
    SHARP,
    AlteredViews,
    EmbeddingObjective,
    ExtremalContours,
    Perturbation,
    TargetObjective,
    placement_test,
    views_of_class,
)
from medcontour.explain.attribution import ExtremalFit
from medcontour.explain.choices import Background, BackgroundName, PresetName
from medcontour.pipeline.placement import UNSTABLE, holds
from medcontour.pipeline.settings import Settings
from medcontour.privacy import discreet
from medcontour.results import Photograph, PhotographEvidence
from medcontour.scan import Scan

__all__ = ["explain_photograph"]


def explain_photograph(
    scan: Scan,
    classifier: Classifier,
    target: str | int | None = None,
    *,
    preset: PresetName = "fast",
    area_weight: float | None = None,
    background: BackgroundName | Background | None = None,
    seed: int = 0,
) -> Photograph:
    """Find what in a photograph speaks for a class, or for its own embedding.

    Parameters
    ----------
    scan
        A picture, as `read_scan` gives it.
    classifier
        Whose class, or embedding, is explained.
    target
        The class, by name or index; None takes the one that the network gives. An embedding has
        none.
    preset, area_weight, background, seed
        As `Settings` says. Of an embedding, the background auto is the one that it is least alike.

    Raises
    ------
    MedcontourError
        For a scan in millimetres, or a class that the network does not have.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from PIL import Image
    >>> import medcontour as mc
    >>> from medcontour.classifier import PhotoInput
    >>> pixels = np.zeros((32, 32), dtype=np.uint8)
    >>> pixels[8:16, 16:24] = 255
    >>> file = tempfile.mkdtemp() + "/bright.png"
    >>> Image.fromarray(pixels).save(file)
    >>> cells = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(1))
    >>> takes = PhotoInput((32, 32), resize=None)
    >>> labels = [f"cell {n}" for n in range(48)]
    >>> classifier = mc.load_classifier(cells, labels=labels, preprocessing=takes)
    >>> found = explain_photograph(mc.read_scan(file), classifier)
    >>> column, row = np.mean(found.points, axis=0)
    >>> bool(16 < column < 24), bool(8 < row < 16)
    (True, True)
    """
    settings = Settings(preset=preset, area_weight=area_weight, background=background, seed=seed)
    if scan.units != "pixel" or scan.slices != 1:
        raise MedcontourError(
            f"{Path(scan.source).name} is a scan, not a photograph; medcontour suggest takes it, "
            "with a classifier for scans."
        )
    if classifier.outputs == "embedding" and target is not None:
        raise MedcontourError(
            f"{classifier.name} has no classes: what is explained is its embedding; leave the "
            "class out."
        )
    prepared = classifier.prepare(scan.voxels[0], scan.pixel_spacing)
    images = prepared.tensor[None].to(classifier.device)
    if classifier.outputs == "embedding":
        index, measured = None, classifier.embed
        own = classifier.embed(images).detach()
    else:
        index, measured = _target(classifier, images, target), classifier.score

    def scores(inputs: Tensor) -> Tensor:
        """(N,) probabilities of the class, or cosines to the photograph's own embedding."""
        given = measured(inputs)
        return torch.cosine_similarity(given, own) if index is None else given[:, index].sigmoid()

    explain = ExtremalContours(
        measured,
        outputs="sigmoid",  # the classifier's scores are log-odds already
        preset=settings.preset,
        background=settings.background,
        area_weight=settings.area_weight,
    )
    fit = explain.fit(images, index)
    curve = fit.curves.detach()
    evidence = _evidence(images, fit, measured, scores, index, settings)
    behind = settings.to_dict()["background"]
    if fit.background_names is not None:
        (behind,) = fit.background_names
    plane = Perturbation.of_images(images, fit.background).plane
    return Photograph(
        file=discreet(Path(scan.source).name),
        rows=scan.rows,
        columns=scan.columns,
        network=classifier.name,
        weights_sha256=classifier.weights_sha256,
        class_index=index,
        class_name=None if index is None else classifier.labels[index],
        settings={
            "preset": settings.preset,
            "area_weight": settings.area_weight,
            "background": behind,
            "seed": settings.seed,
        },
        evidence=evidence,
        points=_on_photograph(plane.to_index(curve.polygon_inside(plane)[0]), prepared),
        area_fraction=float(curve.area_inside(plane)[0]) / plane.area,
        notes=(*classifier.notes, *_notes(evidence)),
    )


@torch.no_grad()
def _evidence(
    images: Tensor,
    fit: ExtremalFit,
    measured: Callable[[Tensor], Tensor],
    scores: Callable[[Tensor], Tensor],
    index: int | None,
    settings: Settings,
) -> PhotographEvidence:
    """What the contour keeps and takes away of the scores, beside what random places do."""
    perturbation = Perturbation.of_images(images, fit.background)
    curve = fit.curves.detach()
    objective: EmbeddingObjective | TargetObjective
    stable = True
    if index is None:
        views = AlteredViews.of(perturbation, 0)
        normalise = PRESETS[settings.preset].normalise
        objective = EmbeddingObjective(
            measured, views.images, views.background, normalise=normalise
        )
        measure = objective.cosine
    else:
        views, objective, stable = views_of_class(perturbation, 0, measured, index)
        measure = objective.probability
    everywhere = perturbation.points.reshape(-1, 2)
    test = placement_test(views, objective, curve, everywhere, settings.seed)

    def score_of(mask: Tensor, *, kept: bool) -> float:
        which = torch.zeros(1, dtype=torch.long, device=images.device)
        made = perturbation.preserved if kept else perturbation.deleted
        return float(scores(made(mask, which)))

    found = curve.mask(perturbation.points, SHARP)
    everything = torch.ones_like(found)
    return PhotographEvidence(
        measure="cosine" if index is None else "probability",
        original=score_of(everything, kept=True),
        background=score_of(everything, kept=False),
        preserved=score_of(found, kept=True),
        deleted=score_of(found, kept=False),
        random_preserved=measure(test.preserved, test.view).mean().item(),
        random_deleted=measure(test.deleted, test.view).mean().item(),
        p_value=test.p_value,
        views_held=test.views_held,
        views_tested=len(test.p_values),
        stable_under_mirroring=stable,
        evaluations=float(fit.evaluations[0]),
    )


def _target(classifier: Classifier, images: Tensor, target: str | int | None) -> int:
    if target is not None:
        return target_index(classifier, target)
    with torch.no_grad():
        return int(classifier.score(images)[0].argmax())


def _on_photograph(points: Tensor, prepared: Prepared) -> tuple[tuple[float, float], ...]:
    """(N, 2) (column, row) index of the network's input to that of the photograph."""
    column, row = points.double().cpu().unbind(-1)
    turn = torch.as_tensor(prepared.index_from_input)
    found = torch.stack([row, column, torch.ones_like(row)], -1) @ turn.T
    return tuple((round(x, 3), round(y, 3)) for x, y in found[:, :2].tolist())


def _notes(evidence: PhotographEvidence) -> tuple[str, ...]:
    notes = []
    if not holds(evidence.p_value):
        notes.append(
            f"The contour is no better than the same curve at random places (it holds in "
            f"{evidence.views_held} of {evidence.views_tested} altered views, p "
            f"{evidence.p_value:.2f}): do not rely on it."
        )
    if not evidence.stable_under_mirroring:
        notes.append(UNSTABLE)
    if evidence.preserved < evidence.original / 2:
        notes.append(
            f"The contour by itself keeps less than half of the {evidence.measure} "
            f"({evidence.preserved:.2f} of {evidence.original:.2f}): the network goes by more than "
            "it."
        )
    if evidence.measure == "probability" and evidence.background > evidence.original / 2:
        notes.append(
            f"The background alone keeps much of the probability ({evidence.background:.2f} of "
            f"{evidence.original:.2f}): taking evidence away changes little; choose a stronger one."
        )
    return tuple(notes)
