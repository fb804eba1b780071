from __future__ import annotations

import pytest
from torch import nn

from medcontour.classifier import Classifier, load_classifier, target_index
from medcontour.errors import MedcontourError


def with_labels(*labels: str) -> Classifier:
    return load_classifier(nn.Flatten(), labels=labels, name="net")


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        (("no nodule", "nodule"), 1),
        (("lesion", "normal"), 0),
        (("Background", "tumour"), 1),
        (("NEGATIVE", "positive"), 1),
        (("no_lesion", "lesion"), 1),
        (("abnormal", "normal"), 0),
        (("nodule", "non-nodule"), 0),
        (("lesion",), 0),
    ],
)
def test_the_only_label_that_names_a_finding(labels: tuple[str, ...], index: int) -> None:
    assert target_index(with_labels(*labels), None) == index


@pytest.mark.parametrize("labels", [("glioma", "meningioma"), ("normal", "background")])
def test_no_default_where_there_is_a_choice(labels: tuple[str, ...]) -> None:
    with pytest.raises(MedcontourError, match=f'"{labels[0]}", "{labels[1]}"'):
        target_index(with_labels(*labels), None)


@pytest.mark.parametrize(
    ("target", "index"), [("Glioma", 0), (" PITUITARY", 2), (1, 1), ("1", 1), (0, 0), ("7", 3)]
)
def test_by_name_or_index(target: str | int, index: int) -> None:
    classifier = with_labels("glioma", "meningioma", "pituitary", "7")
    assert target_index(classifier, target) == index


@pytest.mark.parametrize("target", ["oedema", 4, -1, "4", ""])
def test_a_target_it_does_not_have(target: str | int) -> None:
    classifier = with_labels("glioma", "meningioma", "pituitary", "7")
    with pytest.raises(MedcontourError, match=f'no class "{target}"; its labels are "glioma"'):
        target_index(classifier, target)
