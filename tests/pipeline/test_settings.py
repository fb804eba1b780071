"""One meaning of every choice, whatever face it is made through."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import medcontour as mc
from medcontour.cli.app import app
from medcontour.explain import BACKGROUNDS, PRESETS, GaussianBackground
from medcontour.explain.choices import BackgroundName, PresetName
from medcontour.pipeline.settings import DEFAULTS, Settings
from medcontour.pipeline.slices import pick_slices, slice_notation

FIELDS = {field.name for field in dataclasses.fields(Settings)}
FACES: list[Callable[..., Any]] = [mc.suggest, mc.snap, mc.contour_map, mc.robustness]
PRESETS_OWN = {"area_weight", "background"}  # None: the preset's, settled by `Settings`


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_python_takes_names_and_defaults_from_the_settings(face: Callable[..., Any]) -> None:
    parameters = inspect.signature(face).parameters
    shared = FIELDS & parameters.keys()
    assert {"target", "preset", "background"} <= shared
    hints, own = get_type_hints(face), get_type_hints(Settings)
    for name in shared:
        assert hints[name] == own[name], name
        expected = None if name in PRESETS_OWN else getattr(DEFAULTS, name)
        assert parameters[name].default == expected, name


def test_suggest_takes_every_setting() -> None:
    assert inspect.signature(mc.suggest).parameters.keys() >= FIELDS


@pytest.mark.parametrize(
    ("command", "face"),
    [("suggest", mc.suggest), ("map", mc.contour_map), ("robustness", mc.robustness)],
)
def test_the_command_line_offers_what_python_takes(command: str, face: Callable[..., Any]) -> None:
    told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "300"}).output
    for name in FIELDS & inspect.signature(face).parameters.keys():
        assert f"--{name.replace('_', '-')} " in told
    assert "|".join(get_args(BackgroundName)) in told


def test_every_named_choice_is_there() -> None:
    assert set(get_args(PresetName)) == PRESETS.keys()
    assert set(get_args(BackgroundName)) == {"auto", *BACKGROUNDS}


def test_equal_settings_are_one_key_of_a_dictionary() -> None:
    assert len({Settings(), Settings(area_weight=10.0, background="auto"), DEFAULTS}) == 1
    assert Settings(slices=range(2, 5)) == Settings(slices="2:5") == Settings(slices=slice(2, 5))
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULTS.seed = 1  # type: ignore[misc]


def test_settings_come_back_from_what_is_written() -> None:
    chosen = Settings(target="lesion", contours="auto", slices=[3, 5], seed=4, most_seconds=9.5)
    again = Settings.from_dict(json.loads(json.dumps(chosen.to_dict())) | {"scan": "elsewhere"})
    assert again == chosen
    assert again.key() == chosen.key()
    assert Settings.from_dict({"slices": [10, 20]}).slices == "10:20"  # as schema 1 wrote it


def test_a_background_of_ones_own_is_recorded_by_what_it_is() -> None:
    own = Settings(background=GaussianBackground(4.0))
    assert own.to_dict()["background"].startswith("GaussianBackground(sigma_mm=4.0")
    assert own == Settings(background=GaussianBackground(4.0)) != Settings()


def test_the_paper_departs_as_the_paper_says() -> None:
    paper = Settings(preset="paper")
    assert (paper.area_weight, paper.background) == (None, "blur")
    assert Settings(preset="paper", background="mean").background == "mean"
    with pytest.raises(mc.MedcontourError, match="weighs area by Eq"):
        Settings(preset="paper", area_weight=3.0)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"preset": "slow"}, "fast, thorough, paper"),
        ({"background": "black"}, "auto, blur"),
        ({"contours": 9}, "1 to 8"),
        ({"contours": 2, "area": 0.1}, "one contour"),
        ({"area": 0.1, "area_mm2": 5.0}, "choose one"),
        ({"area": 0.9}, "range"),
        ({"preset": "paper", "area": 0.002}, "from 0.008"),
        ({"area_weight": 0.0}, "above 0"),
        ({"slices": "5-7"}, "A:B"),
        ({"slices": []}, "empty"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(mc.MedcontourError, match=words):
        Settings(**choices)


def test_settings_as_text() -> None:
    texts = {"contours": "3", "outline": "none", "most_evaluations": "none", "slices": "4"}
    assert Settings.from_text(texts) == Settings(contours=3, outline="none", slices=4)
    with pytest.raises(mc.MedcontourError, match="no setting speed"):
        Settings.from_text({"speed": "1"})
    with pytest.raises(mc.MedcontourError, match="give a number"):
        Settings.from_text({"seed": "soon"})


@given(
    st.integers(1, 30),
    st.builds(
        slice,
        st.none() | st.integers(-35, 35),
        st.none() | st.integers(-35, 35),
        st.none() | st.integers(1, 4),
    ),
)
def test_slices_mean_what_they_mean_in_python(count: int, chosen: slice) -> None:
    expected = list(range(count))[chosen]
    notation = slice_notation(chosen)
    if expected:
        assert pick_slices(notation, count) == expected
    else:
        with pytest.raises(mc.MedcontourError, match=f"{count} slices"):
            pick_slices(notation, count)


@given(st.lists(st.integers(0, 19), min_size=1))
def test_a_list_of_slices_is_those_slices(chosen: list[int]) -> None:
    assert pick_slices(slice_notation(chosen), 20) == sorted(set(chosen))
