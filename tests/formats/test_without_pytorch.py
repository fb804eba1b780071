"""Commands that ask no classifier work where PyTorch and MONAI cannot be imported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import typer.main
from export_cases import Study
from without import python_without

from medcontour.cli.app import app

HEAVY = ("torch", "monai")
HEAVIER = (*HEAVY, "scipy", "skimage", "matplotlib", "PIL", "pydicom", "highdicom", "nibabel")
"""What takes most of a second to import: no page of help needs it."""

RUN = """
import json
from medcontour.cli import main
for line in json.loads(sys.argv.pop()):
    sys.argv = ["medcontour", *line]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (line, end.code)
"""


def _commands() -> list[list[str]]:
    import medcontour.cli  # noqa: F401  (its commands enter the app)

    found = []
    for name, command in typer.main.get_command(app).commands.items():
        found += [[name]] + [[name, below] for below in getattr(command, "commands", ())]
    return found


def _run(*lines: list[object], missing: tuple[str, ...] = HEAVY) -> str:
    """What the command lines print, one after the other."""
    wanted = json.dumps([[str(part) for part in line] for line in lines])
    done = python_without(missing, RUN, wanted)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_of_every_command_imports_nothing_that_takes_long() -> None:
    commands = _commands()
    assert ["suggest"] in commands
    assert ["benchmark", "speed"] in commands
    said = _run(["--help"], *([*command, "--help"] for command in commands), missing=HEAVIER)
    for command in commands:
        assert f"medcontour {' '.join(command)} " in said


def test_a_suggestion_is_described_converted_and_read_back(
    study: Study, series: Path, tmp_path: Path
) -> None:
    scan, suggestion = study
    out = tmp_path / "out"
    replace(suggestion, source=scan).save(out, formats=["rtstruct"])
    _run(
        ["info", out],
        ["info", series],
        ["convert", out, "--to", "seg", "--out", tmp_path / "seg.dcm", "--scan", series],
        ["refine", out, out / "rtstruct.dcm", "--out", tmp_path / "back", "--scan", series],
    )
    assert (tmp_path / "seg.dcm").is_file()
    report = json.loads((tmp_path / "back" / "edit_report.json").read_text())
    assert report["format"] == "DICOM RTSTRUCT"
