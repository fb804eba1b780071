"""What the server is started with: ``--conf NAME VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import medcontour as mc
from medcontour.classifier import Classifier, target_index
from medcontour.pipeline.allowance import most_a_slice

__all__ = ["Options", "read_options"]

SECONDS = 45
"""Of the 60 that MITK waits: the rest is for sending, and for the pace being a guess."""

KNOWN = ("classifier", "target", "seconds", "evaluations", "device")


@dataclass(frozen=True)
class Options:
    """Whom to ask, about which class, and what one study may cost; None is no limit."""

    classifier: Classifier
    target: str
    seconds: int | None
    evaluations: int | None


def read_options(conf: Mapping[str, str]) -> Options:
    """Check the options and load the classifier.

    Raises
    ------
    MedcontourError
        For an option that is missing, unknown or out of reach, or a bundle that cannot be loaded.
    """
    unknown = [name for name in conf if name not in KNOWN]
    if unknown:
        raise mc.MedcontourError(
            f"There is no option {unknown[0]} (--conf); choose from {', '.join(KNOWN)}."
        )
    if not conf.get("classifier"):
        raise mc.MedcontourError(
            "No classifier is given; add --conf classifier BUNDLE, the folder of a MONAI bundle."
        )
    classifier = mc.load_classifier(conf["classifier"], device=conf.get("device", "cpu"))
    target = classifier.labels[target_index(classifier, conf.get("target"))]
    least = most_a_slice("fast", 1)
    return Options(
        classifier,
        target,
        seconds=_limit(conf, "seconds", SECONDS, 1, "the least"),
        evaluations=_limit(conf, "evaluations", None, least, "what one slice may cost"),
    )


def _limit(
    conf: Mapping[str, str], name: str, default: int | None, least: int, why: str
) -> int | None:
    asked = conf.get(name)
    if asked is None:
        return default
    if asked == "none":
        return None
    if not asked.isdecimal() or int(asked) < least:
        raise mc.MedcontourError(
            f"{asked} {name} a study (--conf {name}) cannot be: give a whole number from {least} "
            f"({why}), or none for no limit."
        )
    return int(asked)
