"""The plugins use the public names and `medcontour.workspace` alone."""

from __future__ import annotations

import ast
from pathlib import Path

import medcontour as mc
from medcontour import workspace

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"


def _names_of_ours(path: Path) -> set[str]:
    """All names of medcontour that a file imports, or takes from what it imports, with dots."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            called |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
            called |= names
    ours = {name: full for name, full in called.items() if full.split(".")[0] == "medcontour"}
    modules = {n: f for n, f in ours.items() if f in ("medcontour", "medcontour.workspace")}
    taken = {
        f"{modules[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    }
    return {*ours.values(), *taken}


def test_plugins_use_the_public_names_and_the_workspace_alone() -> None:
    public = {"medcontour", "medcontour.workspace", "medcontour.__version__"}
    public |= {f"medcontour.{name}" for name in mc.__all__}
    public |= {f"medcontour.workspace.{name}" for name in workspace.__all__}
    own = PLUGINS.rglob("*.py")
    files = sorted(path for path in own if "tests" not in path.relative_to(PLUGINS).parts)
    used = {path: _names_of_ours(path) for path in files}
    assert set().union(*used.values())
    for path, names in used.items():
        assert names <= public, path.relative_to(PLUGINS)
