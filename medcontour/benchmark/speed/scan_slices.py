"""Workloads from a scan: the slices that a classifier calls positive."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from medcontour.benchmark.speed.workload import Workload
from medcontour.classifier import Classifier, target_index
from medcontour.errors import MedcontourError
from medcontour.scan import Scan

__all__ = ["scan_runs", "scan_workload"]


def scan_workload(
    scan: Scan, classifier: Classifier, target: str | int | None = None, images: int = 100
) -> Workload:
    """Slices of a scan that the classifier calls positive, evenly over all of them.

    Parameters
    ----------
    scan
        What to take slices from.
    classifier
        Whose contours are compared.
    target
        The class, by name or index; None: the only one that names a finding.
    images
        At most so many slices.

    Raises
    ------
    MedcontourError
        When no slice is called positive, or the classifier's preprocessing gives them different
        sizes.
    """
    choice = target_index(classifier, target)
    positive = dict(_positive(scan, classifier, choice))
    if not positive:
        raise MedcontourError(
            f"{classifier.name} calls none of the {scan.slices} slices "
            f'"{classifier.labels[choice]}", so that there is no contour to compare; give a scan '
            "with a finding, or another target."
        )
    places = np.unique(np.linspace(0, len(positive) - 1, images).round().astype(int))
    inputs = list(positive.values())
    return _workload(classifier, choice, [inputs[place] for place in places])


def scan_runs(
    scan: Scan, classifier: Classifier, target: str | int | None = None, images: int = 100
) -> list[Workload]:
    """Runs of two or more neighbouring slices that the classifier calls positive.

    Parameters
    ----------
    scan, classifier, target
        As of `scan_workload`.
    images
        At most so many slices in all runs together, the first of the scan.
    """
    choice = target_index(classifier, target)
    runs: list[list[Tensor]] = []
    before = -2
    for k, tensor in islice(_positive(scan, classifier, choice), images):
        if k != before + 1:
            runs.append([])
        runs[-1].append(tensor)
        before = k
    return [_workload(classifier, choice, run) for run in runs if len(run) > 1]


@torch.no_grad()
def _positive(scan: Scan, classifier: Classifier, target: int) -> Iterator[tuple[int, Tensor]]:
    """Index and input (C, H, W) of each slice whose log-odds are over 0."""
    for k in range(scan.slices):
        tensor = classifier.prepare(scan.voxels[k], scan.pixel_spacing).tensor
        if float(classifier.score(tensor[None])[0, target]) > 0:
            yield k, tensor


def _workload(classifier: Classifier, target: int, inputs: list[Tensor]) -> Workload:
    if len({tensor.shape for tensor in inputs}) > 1:
        raise MedcontourError(
            f"{classifier.name}'s preprocessing gives slices of different sizes, which are not "
            "compared with each other; give a bundle that resizes to one size."
        )
    targets = torch.full((len(inputs),), target)
    label = classifier.labels[target]
    return Workload(label, torch.stack(inputs), targets, classifier.score, classifier.embed)
