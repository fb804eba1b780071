"""What people read first: the README's size, its two commands, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import medcontour

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("plugins/*/*.md"), *ROOT.glob("sample_data/*.md")]
    if "](" in path.read_text(encoding="utf-8")
)


def test_readme_is_short_and_has_its_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 700
    for name, start in [
        ("first", "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/medcontour "),
        ("test", 'python -m pip install -e ".[test]" && python -m pytest'),
    ]:
        (command,) = re.findall(rf"<!-- {name} command -->\n```bash\n(.*)\n```", text)
        assert command.startswith(start)


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_outside_the_site_lead_somewhere(path: Path) -> None:
    """Those inside it are checked where it is built: every warning is an error there."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    for link in links:
        assert re.match(r"https?://|mailto:", link) or (path.parent / link).exists(), link


def test_pages_that_the_package_names_are_there() -> None:
    named = {
        page
        for module in (ROOT / "medcontour").rglob("*.py")
        for page in re.findall(r"docs/[\w/-]+\.md", module.read_text(encoding="utf-8"))
    }
    assert named
    for page in named:
        assert (ROOT / page).is_file(), page


def test_every_room_has_a_row_in_the_table_of_rooms() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = text.split("[start:rooms]")[1].split("[end:rooms]")[0].splitlines()
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])}
    rooms = {path.stem for path in (ROOT / "medcontour").iterdir() if path.stem[0] not in "_."}
    assert rooms - {"py"} <= named


def test_the_version_to_cite_is_this_one() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == medcontour.__version__
    assert citation["preferred-citation"]["volume"] == 307
