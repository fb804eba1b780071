"""Which class is asked about."""

from __future__ import annotations

from medcontour.classifier.protocol import Classifier, labels_sentence
from medcontour.errors import MedcontourError

__all__ = ["target_index"]

_ABSENCE = frozenset({"normal", "background", "negative", "healthy", "none"})
_ABSENCE_STARTS = ("no ", "no_", "no-", "non-", "without ")


def target_index(classifier: Classifier, target: str | int | None = None) -> int:
    """Find the index of a class.

    Parameters
    ----------
    classifier
        Whose labels are searched.
    target
        A label (upper and lower case alike), an index, or the digits of an index. None: the only
        label that names a finding, that is, not "normal", "background", "negative", "healthy",
        "none" and not beginning with "no", "non" or "without".

    Returns
    -------
    int
        Index into ``classifier.labels``.

    Raises
    ------
    MedcontourError
        When the classifier has no such class, or with None when several labels name a finding or
        none does.

    Examples
    --------
    >>> from torch import nn
    >>> from medcontour.classifier import load_classifier
    >>> classifier = load_classifier(nn.Linear(4, 2), labels=["no nodule", "Nodule"])
    >>> target_index(classifier, "nodule")
    1
    >>> target_index(classifier)
    1
    """
    labels = classifier.labels
    listed = labels_sentence(labels)
    if target is None:
        findings = [i for i, label in enumerate(labels) if not _names_absence(label)]
        if len(findings) != 1:
            raise MedcontourError(
                f"The classifier {classifier.name} has {len(findings)} classes that name a "
                f"finding; choose the target among its labels: {listed}."
            )
        return findings[0]
    folded = [label.casefold() for label in labels]
    wanted = str(target).strip()
    if isinstance(target, str) and wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isdecimal() and int(wanted) < len(labels):
        return int(wanted)
    raise MedcontourError(
        f'The classifier {classifier.name} has no class "{wanted}"; its labels are {listed}.'
    )


def _names_absence(label: str) -> bool:
    plain = label.strip().casefold()
    return plain in _ABSENCE or plain.startswith(_ABSENCE_STARTS)
