"""What the server is started with: ``--conf NAME VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import medcontour as mc
from medcontour.classifier import Classifier, target_index
from medcontour.pipeline.allowance import most_a_slice

__all__ = ["Options", "read_options"]

SECONDS = "45"
"""Of the 60 that MITK waits: the rest is for sending, and for the pace being a guess."""

OWN = ("classifier", "device")


@dataclass(frozen=True)
class Options:
    """The classifier, the name of its class, and the settings of every study.

    Unlike elsewhere, `most_seconds` is 45 where nothing else is said: clients wait a minute.
    """

    classifier: Classifier
    target: str
    settings: mc.Settings


def read_options(conf: Mapping[str, str]) -> Options:
    """Check the options and load the classifier; all of `Settings` can be set.

    Raises
    ------
    MedcontourError
        For an option that is missing, unknown or out of reach, or a bundle that cannot be loaded.
    """
    known = [*OWN, *(field.name for field in fields(mc.Settings))]
    unknown = [name for name in conf if name not in known]
    if unknown:
        raise mc.MedcontourError(
            f"There is no option {unknown[0]} (--conf); choose from {', '.join(known)}."
        )
    if not conf.get("classifier"):
        raise mc.MedcontourError(
            "No classifier is given; add --conf classifier BUNDLE, the folder of a MONAI bundle."
        )
    chosen = {"most_seconds": SECONDS} | {n: v for n, v in conf.items() if n not in OWN}
    settings = mc.Settings.from_text(chosen)
    _check_limits(settings)
    classifier = mc.load_classifier(conf["classifier"], device=conf.get("device", "cpu"))
    target = classifier.labels[target_index(classifier, settings.target)]
    return Options(classifier, target, replace(settings, target=target))


def _check_limits(settings: mc.Settings) -> None:
    least = most_a_slice(settings)
    for name, limit, lowest, why in (
        ("most_seconds", settings.most_seconds, 1, "the least"),
        ("most_evaluations", settings.most_evaluations, least, "what one slice may cost"),
    ):
        if limit is not None and limit < lowest:
            raise mc.MedcontourError(
                f"A study cannot be done in {limit:g} (--conf {name}): give a number from "
                f"{lowest} ({why}), or none for no limit."
            )
