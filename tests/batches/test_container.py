"""The container: what is built and said of it, its steps, and its one command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from archives import PICTURES

import medcontour as mc

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "deploy" / "container"


def written() -> str:
    """The Dockerfile, each instruction on one line, without remarks."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.*)$", written(), flags=re.MULTILINE)


def pairs(name: str) -> dict[str, str]:
    found = (part.split("=", 1) for line in instructions(name) for part in re.findall(TERM, line))
    return {key: value.strip('"') for key, value in found}


TERM = r"[\w.]+=(?:\"[^\"]*\"|\S+)"


def document(name: str) -> dict[str, object]:
    return json.loads((PARTS / name).read_text())


def command(out: Path, path: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the container's command, with its folders elsewhere."""
    return subprocess.run(
        [PARTS / "batch", "--export", "labelmap"],
        env=os.environ | {"PATH": path, "HOLOSCAN_OUTPUT_PATH": str(out)} | more,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_steps_are_the_scripts_and_nobody_is_root() -> None:
    [run] = instructions("RUN")
    steps = [step.split() for step in run.split("&&")]
    assert [step[1] for step in steps[:2]] == [
        "/src/deploy/container/packages",
        "/src/deploy/container/install",
    ]
    assert steps[2:] == [["rm", "-r", "/src"]]
    [user] = instructions("USER")
    assert all(int(number) > 0 for number in user.split(":"))
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["/opt/holoscan/app/batch"]
    kept = (ROOT / ".dockerignore").read_text().split()
    copied = [name for line in instructions("COPY") for name in line.split()[:-1]]
    assert {f"!{name}" for name in copied} == {name for name in kept if name.startswith("!")}


def test_what_describes_it_agrees() -> None:
    application, package = document("app.json"), document("pkg.json")
    task = document("processing-container.json")
    labels = pairs("LABEL")
    versions = {application["version"], package["version"], labels["VERSION"]}
    assert versions == {mc.__version__} == {labels["org.opencontainers.image.version"]}
    environment = pairs("ENV")
    assert application["environment"] == {
        name: value for name, value in environment.items() if name.startswith("HOLOSCAN")
    }
    assert environment["USER"], "MONAI wants a name for whoever it is run by"
    [entry] = json.loads(instructions("ENTRYPOINT")[0])
    assert application["command"] == entry
    [template] = task["templates"]
    assert template["command"] == [entry]
    mounted = {each["mounted_path"] for each in (*template["inputs"], *template["outputs"])}
    assert mounted == set(application["environment"].values())


def test_its_command_looks_at_what_is_mounted(archive: Path, bundle: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folders = {"HOLOSCAN_INPUT_PATH": str(archive), "HOLOSCAN_MODEL_PATH": str(bundle)}
    done = command(tmp_path / "out", path, **folders)
    assert done.returncode == 0, done.stderr
    assert f"{PICTURES + 1} done now" in done.stdout
    assert len(list((tmp_path / "out").glob("run-*/*/labelmap.nii.gz"))) == PICTURES + 1


@pytest.mark.slow
def test_what_it_installs_runs(archive: Path, bundle: Path, tmp_path: Path) -> None:
    """In a fresh environment; what the package needs is taken from this one."""
    environment, root = tmp_path / "environment", tmp_path / "root"
    needed = os.pathsep.join(entry for entry in sys.path if "site-packages" in entry)
    installed = subprocess.run(
        ["sh", PARTS / "install", ROOT, environment, root],
        env=os.environ | {"PYTHONPATH": needed},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert installed.returncode == 0, installed.stdout + installed.stderr
    for name in ("etc/holoscan/app.json", "etc/holoscan/pkg.json", "processing-container.json"):
        assert json.loads((root / name).read_text()) == document(Path(name).name)
    assert os.access(root / "opt/holoscan/app/batch", os.X_OK)
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    where = subprocess.run(
        [environment / "bin" / "python", "-c", "import medcontour; print(medcontour.__file__)"],
        env=os.environ | {"PYTHONPATH": needed},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(environment))
    done = command(
        tmp_path / "out",
        path,
        PYTHONPATH=needed,
        HOLOSCAN_INPUT_PATH=str(archive),
        HOLOSCAN_MODEL_PATH=str(bundle),
    )
    assert done.returncode == 0, done.stderr
    assert f"{PICTURES + 1} done now" in done.stdout
