"""What importing the package costs, and what it can do without PyTorch."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest
from without import python_without

import medcontour

HEAVY = ("torch", "monai")
COMPUTE = ("benchmark", "classifier", "cli", "explain", "log_odds", "outline", "pipeline")
"""Rooms that work with networks."""

CURVES = ("fit", "fourier", "plane", "radial")
"""Modules of `contour` that compute with tensors, and of `edits` that fit with them."""

FITS = ("fitted", "resume")


def _modules() -> list[str]:
    return sorted(m.name for m in pkgutil.walk_packages(medcontour.__path__, "medcontour."))


PACKAGES = [
    medcontour.__name__,
    *(m.name for m in pkgutil.walk_packages(medcontour.__path__, "medcontour.") if m.ispkg),
]


def _light(name: str) -> bool:
    _, room, *rest = name.split(".")
    if room in COMPUTE:
        return False
    return not (rest and rest[0] in {"contour": CURVES, "edits": FITS}.get(room, ()))


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_package_offers_is_there_and_no_module(name: str) -> None:
    """Also after the module of the same name has been imported."""
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{name}.{module.name}")
    assert set(getattr(package, "__all__", ())) <= set(dir(package))
    for offered in getattr(package, "__all__", ()):
        assert not isinstance(getattr(package, offered), ModuleType), offered


def test_importing_the_package_takes_less_than_a_second() -> None:
    code = "import time, medcontour as mc; mc.MedcontourError; print(time.process_time())"
    done = python_without(HEAVY, code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1


def test_scans_results_and_formats_are_there_without_pytorch() -> None:
    light = [name for name in _modules() if _light(name)]
    assert {name.split(".")[1] for name in light} >= {"edits", "formats", "report", "scan"}
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = python_without(HEAVY, code, *light)
    assert done.returncode == 0, done.stderr


def test_what_is_forbidden_cannot_be_imported() -> None:
    assert python_without(HEAVY, "import torch").returncode != 0
