"""The bundle's page, written from what was measured."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def said(figure: Row) -> str:
    """A share or an AUC with its interval."""
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def readme(record: Row) -> str:
    """Write the page.

    Parameters
    ----------
    record
        ``training``, ``held_out`` and ``sample``, as `docs/evaluation.json` has them.
    """
    training, held, sample = record["training"], record["held_out"], record["sample"]
    nodules = sample["nodules"]
    found = [row for row in nodules if row["log_odds"] > 0]
    rows = "\n".join(
        f"| {row['nodule']} alone | {row['diameter_mm']:.0f} | {row['log_odds']:.1f} | "
        + (
            f"{'yes' if row['label'] else 'no'} | {row['mm']:.0f} | {row['keeps']:.2f} | "
            f"{row['leaves']:.2f} |"
            if "label" in row
            else " | | | |"
        )
        for row in nodules
    )
    study = sample["study"]
    inside = sum(row["label"] > 0 for row in found)
    where = f"in nodule {study['label']}" if study["label"] else "in no nodule"
    told = "\n".join(
        f"| {name} | {said(held[key])} | {held[key]['n']} |"
        for name, key in {
            "AUC": "auc",
            "called positive with the nodule": "sensitivity",
            "the same, nodules of 12 mm and more": "sensitivity_12mm",
            "called negative without it": "specificity",
        }.items()
    )
    looks = "\n".join(
        f"| {name} | {value} |"
        for name, value in {
            "its centre lies in the nodule": said(held["inside"]),
            "from its centre to the nodule's middle, median, mm": f"{held['apart_mm']:.1f}",
            "kept by its inside alone (1: the original's score, 0: the baseline's)": (
                f"{held['keeps']:.2f}"
            ),
            "left without its inside": f"{held['leaves']:.2f}",
            "evaluations": f"{held['evaluations']:.1f}",
        }.items()
    )
    return f"""# Nodule classifier for phantom CT volumes

A small 3D residual network that tells a thorax with a lung nodule from one without. It was trained
on procedural phantoms (`sample_data/phantom.py`) from one label a volume alone (a nodule somewhere,
or none), by `sample_data/train_nodule_volume_classifier.py`, which also wrote this page. It is for
demonstrations and tests and knows nothing of patients.

- Input: a volume in Hounsfield units as MONAI loads it. `preprocessing` in
  `configs/inference.json` turns it to RAS, resamples it to 4 x 4 x 5 mm and takes the middle
  80 x 64 x 40 voxels (320 x 256 x 200 mm), padded with air.
- Output: two logits, `no nodule` and `nodule`.
- Network: MONAI's own classes alone, the blocks of a `Regressor` under a global maximum
  (`NetAdapter`), {training["parameters"]} parameters: the score is that of the most suspicious
  place.
- Weights: `models/model.pt`, a plain state dict in float16 ({training["kib"]} KiB). The
  configuration holds no `$` expression: reading it runs no code but the classes it names.

## Training

{training["slabs"]} slabs about 75 mm high for {training["slab_steps"]} steps, then
{training["wholes"]} whole thoraces for {training["whole_steps"]} steps, each with one to six
nodules and as its twin without (same anatomy, vessels and noise), from other seeds than the sample
study and the held-out phantoms. Loss: cross entropy of each volume's label, and of which of two
twins has the nodules. Pooling goes from the mean to the maximum over the first steps. Augmentation:
left-right flips, small turns, shifts and scalings, intensity, noise. Nothing was chosen on the
held-out phantoms.

## Held out: {held["phantoms"]} phantoms

On the sample study's grid, with one nodule each (8.5 to 28 mm, placed at random) and as twins
without. 95 % intervals: bootstrap over phantoms for the AUC, Wilson's for shares.

| figure | value | n |
|---|---|---|
{told}

Without its nodule the log-odds of one called positive fall by {held["fall"]:.1f} (median).

## Where does it look?

The evidence surface of `medcontour.ExtremalContours` (the `fast` preset) on the prepared volume, of
the first {held["inside"]["n"]} held-out phantoms that are called positive with their nodule:

| figure | value |
|---|---|
{looks}

## The sample study

Log-odds {sample["log_odds"]:.1f} with its nodules and {sample["without"]:.1f} without. The centre
of its surface lies {where}. Its nodules one by one, the others taken out ({inside} of {len(found)}
called positive hold the centre):

| nodule | diameter mm | log-odds | centre inside | mm to its middle | keeps | leaves |
|---|---|---|---|---|---|---|
{rows}
"""
