"""One photograph, one network: the contour of its evidence, as a picture and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from medcontour.benchmark.answers import Answers
from medcontour.benchmark.methods.contours import ExtremalContour
from medcontour.benchmark.model import Model
from medcontour.classifier.protocol import Prepared
from medcontour.errors import MedcontourError
from medcontour.explain import BACKGROUNDS, SHARP, Perturbation, TargetObjective, placement_test
from medcontour.explain.frozen import frozen
from medcontour.files import replacing
from medcontour.scan import Scan

__all__ = ["Evidence", "Photograph", "explain_photograph", "write_photograph"]

SCHEMA = "medcontour/photograph/1"
CHANCE_LEVEL = 0.05
WIDEST = 9.0  # inches


@dataclass(frozen=True)
class Evidence:
    """What a contour holds of a network's answer.

    Attributes
    ----------
    measure
        What the answers below are: ``"probability"`` of the class, or the ``"cosine"`` to the
        photograph's own embedding.
    original, background
        Of the photograph, and of its background alone.
    preserved, deleted
        With only the contour's inside kept, and with it taken away.
    random_preserved, random_deleted
        Means of the same over the curve turned and moved to random places.
    p_value
        Of a sequential test whether those do as well.
    evaluations
        Preserve + delete pairs, forward and backward, that found the contour.
    """

    measure: str
    original: float
    background: float
    preserved: float
    deleted: float
    random_preserved: float
    random_deleted: float
    p_value: float
    evaluations: float


@dataclass(frozen=True)
class Photograph:
    """The evidence contour of one photograph under one network.

    Attributes
    ----------
    file
        The photograph's name, without its folder.
    rows, columns
        Its size.
    network, weights_sha256
        Whom was asked.
    class_index, class_name
        The class that is explained: None for an embedding, a name where the network has names.
    settings
        Preset, background, seed.
    evidence
        How strong it is.
    points
        The contour: (column, row) index of the photograph as shown, pixel centres are integers.
        Parts outside what the network was shown are drawn in to its edge.
    area_fraction
        Of what the network was shown.
    notes
        Plain sentences that a reader should know.
    """

    file: str
    rows: int
    columns: int
    network: str
    weights_sha256: str
    class_index: int | None
    class_name: str | None
    settings: dict[str, Any]
    evidence: Evidence
    points: tuple[tuple[float, float], ...]
    area_fraction: float
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What is explained, in words."""
        if self.class_index is None:
            return "its own embedding"
        return self.class_name or f"class {self.class_index}"

    def to_json(self) -> str:
        """Serialise; the same content gives the same text."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, allow_nan=False) + "\n"


def explain_photograph(
    scan: Scan,
    model: Model,
    target: str | int | None = None,
    *,
    preset: str = "fast",
    background: str = "gaussian",
    seed: int = 0,
) -> Photograph:
    """Find what in a photograph speaks for a network's answer.

    Parameters
    ----------
    scan
        A picture, as `read_scan` gives it.
    model
        Whom to ask.
    target
        The class, by name or index; None takes the network's own answer. An embedding has none.
    preset
        ``"fast"`` or ``"paper"``.
    background
        One of `BACKGROUNDS`: what stands where evidence is taken away.
    seed
        Of the random places.

    Raises
    ------
    MedcontourError
        For a scan in millimetres, or a class that the network does not have.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from PIL import Image
    >>> import medcontour as mc
    >>> from medcontour.benchmark import PhotoInput, model_of
    >>> pixels = np.zeros((32, 32), dtype=np.uint8)
    >>> pixels[8:16, 16:24] = 255
    >>> file = tempfile.mkdtemp() + "/bright.png"
    >>> Image.fromarray(pixels).save(file)
    >>> cells = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(1))
    >>> model = model_of(cells, PhotoInput((32, 32), resize=None))
    >>> found = explain_photograph(mc.read_scan(file), model)
    >>> column, row = np.mean(found.points, axis=0)
    >>> bool(16 < column < 24), bool(8 < row < 16)
    (True, True)
    """
    if scan.units != "pixel" or scan.slices != 1:
        raise MedcontourError(
            f"{Path(scan.source).name} is a scan, not a photograph; medcontour suggest takes it, "
            "with a classifier for scans."
        )
    prepared = model.prepare(scan.voxels[0])
    images = prepared.tensor[None].to(model.device)
    index = _target(model, images, target)
    targets = torch.tensor([index or 0], device=model.device)
    network = model.explained(images, cosine=True)
    contour = ExtremalContour(preset, background)
    fit = contour.fit(network, images, targets)
    behind = BACKGROUNDS[background](images)
    perturbation = Perturbation.of_images(images, behind)
    curve = fit.contours.detach()
    plane = perturbation.plane
    statistic = float(fit.preserved[0] - fit.deleted[0])
    with torch.no_grad(), frozen(network):
        objective = TargetObjective(network, images, behind, targets)
        places = perturbation.points.reshape(-1, 2)
        chance = placement_test(perturbation, objective, 0, curve, statistic, places, seed)
    score = model.score_of(images, targets)

    def mean_of(masks: Tensor, *, kept: bool) -> float:
        which = torch.zeros(1, dtype=torch.long, device=images.device)
        made = perturbation.preserved if kept else perturbation.deleted
        return float(torch.cat([score(made(mask[None], which), which) for mask in masks]).mean())

    own = curve.mask(perturbation.points, SHARP)
    others = chance.curves.mask(perturbation.points, SHARP)
    everything = torch.ones_like(own)
    evidence = Evidence(
        measure="cosine" if index is None else "probability",
        original=mean_of(everything, kept=True),
        background=mean_of(everything, kept=False),
        preserved=mean_of(own, kept=True),
        deleted=mean_of(own, kept=False),
        random_preserved=mean_of(others, kept=True),
        random_deleted=mean_of(others, kept=False),
        p_value=chance.p_value,
        evaluations=float(fit.evaluations[0]),
    )
    return Photograph(
        file=Path(scan.source).name,
        rows=scan.rows,
        columns=scan.columns,
        network=model.name,
        weights_sha256=model.weights_sha256,
        class_index=index,
        class_name=model.labels[index] if index is not None and model.labels else None,
        settings={
            "preset": preset,
            "background": background,
            "area_weight": contour.area_weight,
            "seed": seed,
        },
        evidence=evidence,
        points=_on_photograph(plane.to_index(curve.polygon_inside(plane)[0]), prepared),
        area_fraction=float(curve.area_inside(plane)[0]) / plane.area,
        notes=_notes(evidence, model.answers),
    )


def write_photograph(found: Photograph, scan: Scan, folder: Path) -> list[str]:
    """Write ``explanation.json`` and ``overlay.png`` (the photograph with its contour).

    Parameters
    ----------
    found, scan
        What was found, and on which picture.
    folder
        Which is there.

    Returns
    -------
    list of str
        The files' names.
    """
    with replacing(folder / "explanation.json") as file:
        file.write_text(found.to_json(), encoding="utf-8")
    with replacing(folder / "overlay.png") as file:
        _draw(found, scan).savefig(file, dpi=130, format="png")
    return ["explanation.json", "overlay.png"]


def _target(model: Model, images: Tensor, target: str | int | None) -> int | None:
    if model.answers == "embedding":
        if target is not None:
            raise MedcontourError(
                f"{model.name} has no classes: what is explained is its embedding; leave the "
                "class out."
            )
        return None
    answer = model.answer(images)[0]
    if target is None:
        return int(answer.argmax())
    number = isinstance(target, str) and target.isdecimal() and target not in model.labels
    index = model.index_of(int(target) if number else target)
    if not 0 <= index < len(answer):
        raise MedcontourError(
            f"{model.name} has {len(answer)} classes, counted from 0, and so no class {index}."
        )
    return index


def _on_photograph(points: Tensor, prepared: Prepared) -> tuple[tuple[float, float], ...]:
    """(N, 2) (column, row) index of the network's input to that of the photograph."""
    column, row = points.double().cpu().unbind(-1)
    turn = torch.as_tensor(prepared.index_from_input)
    found = torch.stack([row, column, torch.ones_like(row)], -1) @ turn.T
    return tuple((round(x, 3), round(y, 3)) for x, y in found[:, :2].tolist())


def _notes(evidence: Evidence, answers: Answers) -> tuple[str, ...]:
    notes = []
    if evidence.p_value > CHANCE_LEVEL:
        notes.append(
            f"The contour is no better than the same curve at random places (p "
            f"{evidence.p_value:.2f}): do not rely on it."
        )
    if answers != "embedding" and evidence.background > evidence.original / 2:
        notes.append(
            f"The background alone keeps much of the answer ({evidence.background:.2f} of "
            f"{evidence.original:.2f}): taking evidence away changes little; choose a stronger one."
        )
    return tuple(notes)


def _draw(found: Photograph, scan: Scan) -> Figure:
    rows, columns = found.rows, found.columns
    width = WIDEST * min(1.0, columns / rows)
    figure = Figure(figsize=(width, width * rows / columns + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    pixels = scan.voxels[0] / 255
    axis.imshow(pixels.clip(0, 1), cmap="gray", vmin=0, vmax=1)
    closed = [*found.points, found.points[0]]
    halo = [withStroke(linewidth=4, foreground="black", alpha=0.6)]
    axis.plot(*zip(*closed, strict=True), color="#ffd21f", linewidth=2, path_effects=halo)
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axis.set_axis_off()
    evidence = found.evidence
    axis.set_title(
        f"{found.title}: {evidence.measure} {evidence.original:.2f}, kept "
        f"{evidence.preserved:.2f}, taken away {evidence.deleted:.2f}",
        fontsize=10,
        parse_math=False,
        wrap=True,
    )
    return figure
