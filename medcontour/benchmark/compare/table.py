"""The methods compared, as files: tables, a row an image, figures."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from medcontour.benchmark.compare.outlines import NEAR, START
from medcontour.benchmark.compare.published import SOURCE, published_rows
from medcontour.benchmark.compare.record import METRICS, Metric, Results
from medcontour.benchmark.metrics.intervals import mean_interval
from medcontour.errors import MedcontourError
from medcontour.files import replacing

__all__ = ["REFERENCE", "method_table", "summary", "write_results"]

REFERENCE = "extremal-contour"
"""The method from which each other one is subtracted, image by image."""


def write_results(results: Results, out: Path) -> list[str]:
    """Write ``table.md``, ``table.csv``, ``per_image.csv`` and ``not_judged.csv``.

    Parameters
    ----------
    results
        Of `run`.
    out
        The folder, which is there.

    Returns
    -------
    list of str
        The files' names.

    Raises
    ------
    MedcontourError
        When no method gave anything, with the first reason.
    """
    if not any(not record.error for record in results.records):
        reasons = [record.error for record in results.errors] or [*results.left_out.values()]
        raise MedcontourError(
            f"No image could be judged; the first reason: {reasons[0] if reasons else 'none'}."
        )
    with replacing(out / "table.md") as file:
        file.write_text(method_table(results), encoding="utf-8")
    _write_csv(
        out / "table.csv",
        (
            "source",
            "method",
            "metric",
            "images",
            "mean",
            "low",
            "high",
            "difference",
            "difference_low",
            "difference_high",
        ),
        _rows(results),
    )
    names = [metric.name for metric in METRICS]
    _write_csv(
        out / "per_image.csv",
        ("image", "method", "object_share", *names),
        (
            (
                r.image,
                r.method,
                _plain(results.truth_share[r.image]),
                *(_plain(r.values.get(name, math.nan)) for name in names),
            )
            for r in results.records
            if not r.error
        ),
    )
    rows = [(record.image, record.method, "error", record.error) for record in results.errors]
    rows += [(image, "", "left out", why) for image, why in results.left_out.items()]
    _write_csv(out / "not_judged.csv", ("image", "method", "kind", "why"), iter(rows))
    return ["table.md", "table.csv", "per_image.csv", "not_judged.csv"]


def summary(results: Results) -> dict[str, Any]:
    """The figures as plain numbers, for JSON; null where there is none."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "data": results.kind,
        "model": results.model,
        "unit": results.unit,
        "images": len(results.truth_share),
        "left_out": len(results.left_out),
        "errors": len(results.errors),
        "methods": {
            method: {
                metric.name: [
                    number(v)
                    for v in mean_interval([*results.values(method, metric.name).values()])
                ]
                for metric in _columns(results)
            }
            for method in results.methods
        },
    }


def method_table(results: Results) -> str:
    """Give the comparison as Markdown, with 95 % bootstrap intervals."""
    metrics = _columns(results)
    title = "| method | " + " | ".join(f"{m.title} {_arrow(m)}" for m in metrics) + " |"
    rule = "|---" * (1 + len(metrics)) + "|"
    lines = [f"{results.model} on {len(results.truth_share)} images ({results.kind}).", ""]
    lines += [title, rule]
    for method in results.methods:
        cells = [_cell([*results.values(method, m.name).values()], m) for m in metrics]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    others = [method for method in results.methods if method != REFERENCE]
    if REFERENCE in results.methods and others:
        lines += ["", f"Paired differences: the method minus {REFERENCE} on the same images.", ""]
        lines += [title, rule]
        for method in others:
            cells = [_cell(_differences(results, method, m.name), m, "+") for m in metrics]
            lines.append(f"| {method} | {' | '.join(cells)} |")
    theirs = published_rows(results.kind, results.model)
    if theirs:
        shown = [metric for metric in metrics if metric.name in theirs[0].values]
        lines += ["", f"The paper's own rows, not ours ({SOURCE}).", ""]
        lines += ["| method (theirs) | " + " | ".join(metric.title for metric in shown) + " |"]
        lines += ["|---" * (1 + len(shown)) + "|"]
        for row in theirs:
            cells = ["{:.3f} ({:.3f} to {:.3f})".format(*row.values[m.name]) for m in shown]
            lines.append(f"| {row.method} | {' | '.join(cells)} |")
    lines += ["", *_notes(results)]
    return "\n".join(lines) + "\n"


def _notes(results: Results) -> Iterator[str]:
    yield (
        "- Means with 95 % bootstrap intervals over images; ↑ more is better, ↓ less is. Where a "
        "metric has no value for an image (the faithfulness of a constant map), that image is left "
        "out of it; table.csv says how many each mean is of."
    )
    if results.truth_share:
        yield (
            "- The object covers "
            f"{fmean(results.truth_share.values()):.3f} of the input on average: what chance has "
            "in relevance rank and mass."
        )
    yield (
        "- Evaluations: forward and backward passes of one preserve + delete pair, or what else a "
        "method runs, counted in such pairs. Seconds: of this machine; of several images taken "
        "at once, each has its share."
    )
    if results.unit:
        yield from _outline_notes(results)
        yield from _shortcut_notes(results)
    if results.left_out:
        reasons = Counter(results.left_out.values())
        yield (
            f"- Left out: {len(results.left_out)} of the images drawn: "
            + "; ".join(f"{count} because {why}" for why, count in reasons.items())
            + "."
        )
    if results.errors:
        counts = Counter(record.method or "every method" for record in results.errors)
        yield (
            f"- Errors: {len(results.errors)}, listed in not_judged.csv: "
            + ", ".join(f"{method} {count}" for method, count in counts.items())
            + "."
        )
    else:
        yield "- Errors: none."


def _outline_notes(results: Results) -> Iterator[str]:
    """What the outlines are, and how many there are none of."""
    lengths = {r.image: r.values["boundary"] for r in results.records if "boundary" in r.values}
    if not lengths:
        return
    unit = "mm" if results.unit == "mm" else "pixels of the source image"
    whole = fmean(lengths.values())
    yield (
        "- Outline: what the image itself offers (no classifier decides) from a circle at the "
        f"map's highest pixel that covers {START:g} of the input, or at the contour's middle and "
        f"as large as the contour, against what a reader drew on {len(lengths)} of the images. "
        f"Lengths in {unit}: drawing from nothing, the whole boundary is {whole:.1f} long "
        "on average. Added path length is the part of it further than half a pixel from the "
        f"outline; drawing saved, the share that is not, and (2 off) the share within {NEAR:g} "
        f"{'mm' if results.unit == 'mm' else 'pixels'}. Without an outline: Dice 0, nothing saved, "
        "no HD95."
    )
    without = Counter(r.method for r in results.records if r.values.get("outline_found") == 0)
    counts = ", ".join(f"{method} {count}" for method, count in without.items())
    yield f"- Images without an outline: {counts or 'none'}."


def _shortcut_notes(results: Results) -> Iterator[str]:
    """Say what chance gives outside the body and on marks, and whose maps lie there."""
    shares = {r.image: r.values for r in results.records if "share_on_marks" in r.values}
    if not shares:
        return
    outside = fmean(values["share_outside_body"] for values in shares.values())
    marked = [v["share_on_marks"] for v in shares.values() if v["share_on_marks"] > 0]
    chance = f", which cover {fmean(marked):.3f} of these" if marked else ""
    yield (
        f"- Outside the body is {outside:.3f} of the input on average; on {len(marked)} of the "
        f"images burnt-in marks were found{chance}: what chance has there. The mean mass on marks "
        "is over these images."
    )
    for name, where in (("mass_outside_body", "outside the body"), ("mass_on_marks", "on marks")):
        most = {
            method: sum(value >= 0.5 for value in results.values(method, name).values())
            for method in results.methods
        }
        counts = ", ".join(f"{method} {count}" for method, count in most.items() if count)
        yield f"- Images with at least half of the mass {where}: {counts or 'none'}."


def _columns(results: Results) -> list[Metric]:
    """Metrics for which any method has a value."""
    return [
        metric
        for metric in METRICS
        if any(results.values(method, metric.name) for method in results.methods)
    ]


def _differences(results: Results, method: str, metric: str) -> list[float]:
    own, reference = results.values(method, metric), results.values(REFERENCE, metric)
    return [value - reference[image] for image, value in own.items() if image in reference]


def _rows(results: Results) -> Iterator[tuple[str | int, ...]]:
    for method in results.methods:
        for metric in _columns(results):
            values = [*results.values(method, metric.name).values()]
            numbers = [*mean_interval(values)]
            if method == REFERENCE:
                numbers += [math.nan] * 3
            else:
                numbers += mean_interval(_differences(results, method, metric.name))
            yield ("ours", method, metric.name, len(values), *(_plain(v) for v in numbers))
    for row in published_rows(results.kind, results.model):
        for name, theirs in row.values.items():
            yield ("paper", row.method, name, 100, *(f"{v:g}" for v in theirs), "", "", "")


def _write_csv(file: Path, header: tuple[str, ...], rows: Iterator[tuple[str | int, ...]]) -> None:
    with (
        replacing(file) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as table,
    ):
        writer = csv.writer(table)
        writer.writerow(header)
        writer.writerows(rows)


def _arrow(metric: Metric) -> str:
    return "↑" if metric.better > 0 else "↓"


def _cell(values: list[float], metric: Metric, sign: str = "") -> str:
    mean, low, high = mean_interval(values)
    if math.isnan(mean):
        return "–"
    digits = 1 if metric.name == "evaluations" else 3
    return f"{mean:{sign}.{digits}f} ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
