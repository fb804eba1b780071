"""The main job once on the sample study, for all tests that look at its results."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sample_run import SampleRun

import medcontour as mc


@pytest.fixture(scope="session")
def sample_run(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    study, bundle = sample_data / "ct_study", sample_data / "nodule_classifier"
    scan, classifier = mc.read_scan(study), mc.load_classifier(bundle)
    target = classifier.labels.index("nodule")
    prepared = [classifier.prepare(plane, scan.pixel_spacing).tensor for plane in scan.voxels]
    with torch.no_grad():
        odds = [float(classifier.score(plane[None])[0, target]) for plane in prepared]
    # The three neighbours of which the classifier is surest.
    first = max(range(scan.slices - 2), key=lambda k: min(odds[k : k + 3]))
    chosen = slice(first, first + 3)
    suggestion = mc.suggest(scan, classifier, "nodule", slices=chosen)
    folder = tmp_path_factory.mktemp("sample") / "out"
    saved = suggestion.save(folder)
    assert saved.left_out == {}
    return SampleRun(study, bundle, scan, classifier, chosen, suggestion, folder)
