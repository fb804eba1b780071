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
RUN = """
import json, time
from medcontour.cli import main
times = []
for line in json.loads(sys.argv.pop()):
    sys.argv, start = ["medcontour", *line], time.process_time()
    try:
        main()
    except SystemExit as end:
        assert not end.code, (line, end.code)
    times.append(time.process_time() - start)
print(json.dumps(times))
"""


def _commands() -> list[list[str]]:
    import medcontour.cli  # noqa: F401  (its commands enter the app)

    found = []
    for name, command in typer.main.get_command(app).commands.items():
        found += [[name]] + [[name, below] for below in getattr(command, "commands", ())]
    return found


def _run(*lines: list[object]) -> list[float]:
    """The command lines one after the other; processor seconds that each took."""
    wanted = json.dumps([[str(part) for part in line] for line in lines])
    done = python_without(HEAVY, RUN, wanted)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_help_of_every_command_comes_within_a_second_of_work() -> None:
    commands = _commands()
    assert ["suggest"] in commands
    assert ["benchmark", "speed"] in commands
    times = _run(["--help"], *([*command, "--help"] for command in commands))
    code = "import time, medcontour.cli; print(time.process_time())"
    start = float(python_without(HEAVY, code).stdout)
    assert start + max(times) < 1


def test_a_suggestion_is_described_converted_and_read_back(
    study: Study, series: Path, tmp_path: Path
) -> None:
    scan, suggestion = study
    out = tmp_path / "out"
    replace(suggestion, source=scan).save(out, formats=["rtstruct"])
    times = _run(
        ["info", out],
        ["info", series],
        ["convert", out, "--to", "seg", "--out", tmp_path / "seg.dcm", "--scan", series],
        ["refine", out, out / "rtstruct.dcm", "--out", tmp_path / "back", "--scan", series],
    )
    assert len(times) == 4
    assert (tmp_path / "seg.dcm").is_file()
    report = json.loads((tmp_path / "back" / "edit_report.json").read_text())
    assert report["format"] == "DICOM RTSTRUCT"
