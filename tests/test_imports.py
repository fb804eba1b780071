"""What importing the package costs, and what it can do without PyTorch."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest
from without import python_without

import medcontour

HEAVY = ("torch", "monai")
SLOW = ("numpy", "scipy", "skimage", "matplotlib", "PIL", "pydicom", "highdicom", "nibabel")
COMPUTE = (
    "batches",
    "benchmark",
    "checked",
    "classifier",
    "cli",
    "explain",
    "frozen",
    "learning",
    "log_odds",
    "learning",
    "outline",
    "pipeline",
    "server",
    "workspace",
)
"""Rooms that work with networks."""

CURVES = (
    "cut",
    "descent",
    "fit",
    "fit_surface",
    "fourier",
    "least_squares",
    "link",
    "plane",
    "radial",
    "round",
    "shape",
    "sphere",
    "spherical",
    "star_convex",
    "surface",
    "turn",
    "volume",
)
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


def test_importing_the_package_imports_nothing_that_takes_long() -> None:
    done = python_without((*HEAVY, *SLOW), "import medcontour as mc; mc.MedcontourError")
    assert done.returncode == 0, done.stderr


def test_scans_results_and_formats_are_there_without_pytorch() -> None:
    light = [name for name in _modules() if _light(name)]
    assert {name.split(".")[1] for name in light} >= {"edits", "formats", "report", "scan"}
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = python_without(HEAVY, code, *light)
    assert done.returncode == 0, done.stderr


def test_what_is_forbidden_cannot_be_imported() -> None:
    assert python_without(HEAVY, "import torch").returncode != 0


POSIX = ("fcntl", "grp", "pwd", "resource", "termios")
WORK = """
import importlib, os, pathlib, sys
posix, modules, out = sys.argv[1].split(), sys.argv[2].split(), sys.argv[3]
import filelock, highdicom, matplotlib.pyplot, monai, platformdirs, psutil, torch  # have their own
for name in posix:
    sys.modules[name] = None
for name in ("geteuid", "getuid", "getegid", "getgid", "chown"):
    delattr(os, name)
for name in modules:
    importlib.import_module(name)

import numpy as np
from medcontour.dicomweb.address import Address
from medcontour.dicomweb.cache import series_folder
import medcontour as mc

os.environ["XDG_CACHE_HOME"] = out + "/cache"
with series_folder(Address("https://localhost/dicom-web", "1.2.3")) as folder:
    (folder / "1.dcm").touch()
    with series_folder(Address("https://localhost/dicom-web", "1.2.3")) as other:
        assert other != folder
assert not folder.exists()

class Bright(torch.nn.Module):
    def forward(self, planes):
        score = planes.mean((1, 2, 3)).mul(40).sub(8)
        return torch.stack([-score, score], 1)

from PIL import Image
picture = np.zeros((32, 32), np.uint8)
picture[10:20, 8:18] = 230
path = pathlib.Path(out, "square.png")
Image.fromarray(picture).save(path)
net = mc.load_classifier(Bright().eval(), labels=["none", "square"])
suggestion = mc.suggest(path, net, target="square")
suggestion.save(pathlib.Path(out, "result"), formats=["labelmap", "coco", "png"])
mc.Suggestion.read_json(pathlib.Path(out, "result", "suggestion.json"))
"""


@pytest.mark.slow
def test_it_works_where_modules_and_calls_of_posix_alone_are_missing(tmp_path: Path) -> None:
    """As on Windows: no `fcntl` or `resource`, no numbers of users (the libraries have theirs)."""
    done = python_without((), WORK, " ".join(POSIX), " ".join(_modules()), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result" / "labelmap.nii.gz").exists()


def test_plugins_use_the_public_api_and_the_workspace_alone() -> None:
    plugins = Path(__file__).resolve().parents[1] / "plugins"
    for file in plugins.rglob("*.py"):
        if "tests" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            ours = {name for name in names if name.split(".")[0] == "medcontour"}
            assert ours <= {"medcontour", "medcontour.workspace"}, (file, ours)
