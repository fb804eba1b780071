"""A folder of two NIfTI studies on a turned, flipped grid, and a workspace beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_studies import setup, studies

import medcontour as mc
from medcontour.workspace import Setup, Workspace

__all__ = ["setup", "studies"]


@pytest.fixture
def workspace(studies: Path, setup: Setup, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "kept", setup, lambda study: studies / f"{study}.nii.gz")


@pytest.fixture(scope="session")
def suggestion(studies: Path, setup: Setup) -> mc.Suggestion:
    """What is suggested for the study with a spot; it has its scan."""
    return Workspace(studies, setup, lambda study: studies / study).suggest(
        mc.read_scan(studies / "spot.nii.gz")
    )


@pytest.fixture
def suggested(workspace: Workspace, suggestion: mc.Suggestion) -> Workspace:
    """The workspace, with what is suggested for the study with a spot in it."""
    suggestion.save(workspace.folder("spot"), [])
    return workspace
