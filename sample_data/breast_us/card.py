"""The README of the bundle, every figure from what was measured."""

from __future__ import annotations

from typing import Any

from breast_us.recipe import BATCH, LABELS, SAME_PATIENT, SIZE


def percent(figure: dict[str, Any]) -> str:
    """Write a proportion as ``0.93 (0.86 to 0.97; n = 96)``."""
    n = f"; n = {figure['of']}" if "of" in figure else ""
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f}{n})"


def readme(evaluation: dict[str, Any]) -> str:
    """``docs/README.md``, every figure taken from ``docs/evaluation.json``."""
    found, split = evaluation["validation"], evaluation["split"]
    confusion, near = found["confusion"], split["near_duplicates"]
    delete, keep, point, marks = (
        found[k] for k in ("deletion", "preservation", "pointing", "marks")
    )
    steps = " and then ".join(f"{r['steps']} steps" for r in evaluation["recipes"])
    counts = ", ".join(
        f"{name} {part['lesion']} + {part['no lesion']}" for name, part in split["parts"].items()
    )
    lines = f"""# Breast ultrasound: lesion or no lesion

A MONAI bundle with a narrow 2D ResNet ({evaluation["weights"]["parameters"]:,} weights at 16 bits)
that tells breast ultrasound images with a lesion from images without. It was trained from scratch
from image labels alone. It exists so that medcontour can be tried and tested on a real presence
question. For research and software tests; **not for clinical use**.

`configs/inference.json` runs no code of its own: it names classes of MONAI and torch only.
Input: one image, grey or RGB, of any size; preprocessing averages the channels, scales the 1st to
99th percentile to [0, 1] and resizes to {SIZE} x {SIZE}. As everywhere in MONAI, arrays loaded
from a PNG have axis order (column, row). Output: two logits, {LABELS[0]!r} and {LABELS[1]!r}.

## Data

Breast Ultrasound Images (BUSI): Al-Dhabyani W., Gomaa M., Khaled H., Fahmy A., *Dataset of breast
ultrasound images*, Data in Brief 28 (2020) 104863. A subset of {near["images"]} images, longest
side 320 px, grey. Benign and malignant count as lesion, normal as no lesion. No image is part of
this bundle.

The data set has several images of one patient, and copies. High-pass thumbnails (32 x 32) were
correlated with each other, shifted and mirrored too; at {SAME_PATIENT} or more two images count
as near duplicates, and chains of them stay in one part: {near["images_in_them"]} images form
{near["groups_of_two_or_more"]} such groups, the largest of {near["largest_group"]}. The parts
(`split.csv`; images with + without a lesion): {counts}.

## Training

`python train_breast_us_classifier.py --data DATA`: {steps}
of {BATCH} images, half with a lesion; {evaluation["training_minutes"]:.0f} minutes on one core.
AdamW, one-cycle rate, label smoothing 0.05, moving average of the weights. One number, the shift
of the log-odds, is then set on the tuning part. To keep the network to the lesion:

- **Marks say nothing.** Calipers, dotted lines, text and boxes are drawn on images of both
  classes alike.
- **The surroundings say nothing.** The outer part of an image is replaced by that of any other
  image, sharp or blurred; images without a lesion are cut and joined anywhere.
- **Gain, size and edges say nothing.** Gamma, gain that drifts with depth, speckle, blur, zoom,
  stretch, turns, mirrored images, black corners, small smoothed patches.
- **No lesion means nowhere.** A second loss takes the strongest place of the class map: it must
  stay low in every image without a lesion.

"""
    if "tried" in evaluation:
        lines += """### What was tried

Chosen on the tuning part by AUC, and by the evidence figures explained below; the masks of the
tuning part were used for this choice, and no mask in training. The tuning part is small, and the
shift of the log-odds was set on it, so these figures order the recipes and no more.

| recipe | AUC | sensitivity | specificity | lesion filled: gone | lesion alone: kept \
| Grad-CAM++ (layer3) in lesion | occlusion in lesion | disc in lesion |
|---|---|---|---|---|---|---|---|---|
"""
        for name, tried in evaluation["tried"].items():
            row = [tried["auc"], tried["sensitivity"], tried["specificity"]]
            row += [tried["deletion"]["lesion filled: answer gone"]]
            row += [tried["preservation"]["lesion alone: answer kept"]]
            row += [tried["pointing"][k] for k in ("Grad-CAM++, layer3", "occlusion", "disc")]
            title = f"**{name}** (chosen)" if name == evaluation["chosen"] else name
            lines += f"| {title} | " + " | ".join(f"{r['value']:.2f}" for r in row) + " |\n"
        lines += "\n"
    lines += f"""## Accuracy on the validation part

Measured for the chosen recipe only; nothing was chosen on it. Intervals are 95 %: Wilson's for
proportions, bootstrap for the AUC. They take images as independent, which images of one patient
are not.

| | called lesion | called no lesion |
|---|---|---|
| **lesion** | {confusion["lesion called lesion"]} | {confusion["lesion called no lesion"]} |
| **no lesion** | {confusion["no lesion called lesion"]} \
| {confusion["no lesion called no lesion"]} |

| figure | validation |
|---|---|
| accuracy | {percent(found["accuracy"])} |
| sensitivity | {percent(found["sensitivity"])} |
| specificity | {percent(found["specificity"])} |
| AUC | {percent(found["auc"])} |

## Does it look at the lesion?

All on the validation part. Lesions are those that the network calls "lesion"; masks are dilated
by 4 px of {SIZE}; chance is the mean share of the image that a lesion covers. "Elsewhere" is the
same shape moved to a random place beside the lesion.

**Take away and keep.** The lesion is filled from its surroundings (Laplace's equation and the
speckle of a ring around it), or kept alone on the blurred image (sd 12 px).

| | share | mean drop of the log-odds |
|---|---|---|
"""
    for place in ("lesion", "elsewhere"):
        lines += (
            f"| {place} filled: answer gone | {percent(delete[f'{place} filled: answer gone'])} "
            f"| {delete[f'{place} filled: mean drop']:.2f} |\n"
        )
    lines += "".join(f"| {name} | {percent(figure)} | |\n" for name, figure in keep.items())
    lines += f"""
**Where the evidence peaks.** Grad-CAM++ of the last two stages; occlusion by a blurred square of a
sixth of the image; and the disc (radius 0.15 of the image) that best keeps the answer alone and
takes it away when blurred. Share of peaks inside the lesion itself; chance {point["chance"]:.2f}.

| method | peak in the lesion |
|---|---|
"""
    lines += "".join(
        f"| {name} | {percent(figure)} |\n" for name, figure in point.items() if name != "chance"
    )
    lines += """
**Burnt-in marks.** Ten random drawings on every image; rulers and arrows were never drawn in
training. Last row: thin, nearly white marks that the images came with, wiped out. (The files are
grey, so marks that were once coloured cannot be told by their colour.)

| change | mean shift of the log-odds | mean size of the shift | decisions changed |
|---|---|---|---|
"""
    for name, change in marks.items():
        lines += (
            f"| {name} | {change['mean shift']:+.2f} | {change['mean size of shift']:.2f} "
            f"| {percent(change['decisions changed'])} |\n"
        )
    parts = split["parts"]["validation"]
    lines += f"""
## Limits

- One hospital, one data set, {parts["no lesion"]} validation images without a lesion: the
  specificity is known only to within its interval. Near duplicates were found by likeness, not
  by patient numbers, which the data set does not give.
- The threshold (log-odds 0) weighs both classes alike on the tuning part; it was not tuned for
  use, and the validation part has more lesions than any screening would.
- Filling the lesion leaves the answer in \
{1 - delete["lesion filled: answer gone"]["value"]:.0%} of the images. Part of the evidence then
  lies outside the mask, perhaps in the shadow or bright band below the lesion; where it lies was
  not measured.
- The last feature map has 5 x 5 places, each of which sees nearly the whole image: Grad-CAM++ of
  `layer4` does not tell where the lesion is. Searches in the image itself (occlusion, disc,
  contours) do so better.
"""
    return lines
