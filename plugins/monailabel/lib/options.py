"""What the server is started with: ``--conf NAME VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import medcontour as mc
from medcontour.workspace import Setup

__all__ = ["read_options"]

SECONDS = "45"
"""Of the 60 that MITK waits: the rest is for sending, and for the pace being a guess."""

OWN = ("classifier", "device")


def read_options(conf: Mapping[str, str]) -> Setup:
    """Check the options and load the classifier; all of `Settings` can be set.

    Unlike elsewhere, `most_seconds` is 45 where nothing else is said: clients wait a minute.

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
    classifier = mc.load_classifier(conf["classifier"], device=conf.get("device", "cpu"))
    return Setup(classifier, settings)
