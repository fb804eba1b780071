"""What a client or an administrator does wrong is answered with one plain sentence."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from label_server import APP, LabelServer, environment, running_server, variables

pytestmark = pytest.mark.monailabel


@pytest.mark.parametrize(
    ("path", "params", "status", "said"),
    [
        ("/infer/suggestion?image=nowhere", "{}", 404, "no image of this name"),
        ("/infer/nothing?image=oblique", "{}", 404, "no model 'nothing'"),
        ("/infer/suggestion?image=quiet", '{"result_extension": ".stl"}', 400, "as .stl"),
        ("/infer/suggestion?image=quiet", '{"start_from_edit": true}', 400, "No label of"),
        ("/infer/snap?image=oblique", "{}", 400, "Clicks must be voxels"),
        ("/infer/snap?image=oblique", '{"foreground": [[1, 2]]}', 400, "Clicks must be"),
        ("/infer/snap?image=oblique", '{"foreground": [[9, 9, 99]]}', 400, "outside the image"),
    ],
)
def test_a_request_that_cannot_be_answered(
    server: LabelServer, path: str, params: str, status: int, said: str
) -> None:
    answer = server.post(path, data={"params": params})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert "Traceback" not in server.log.read_text()


def test_a_strategy_that_is_not_there(server: LabelServer) -> None:
    answer = server.post("/activelearning/nothing", json={})
    assert answer.status_code == 404
    assert "no such strategy 'nothing'" in answer.json()["detail"]


def test_a_label_that_cannot_be_read_is_not_saved(server: LabelServer, tmp_path: Path) -> None:
    bad = tmp_path / "label.nii.gz"
    bad.write_bytes(b"\x1f\x8bno volume")
    answer = server.save_label("quiet", bad, ["nodule"])
    assert answer.status_code == 400
    assert "damaged" in answer.json()["detail"]
    short = tmp_path / "label.bin"
    short.write_bytes(bytes(10))
    answer = server.save_label("quiet", short, ["nodule"])
    assert answer.status_code == 400
    assert "The label has 10 voxels" in answer.json()["detail"]
    assert not list((server.studies / "labels").rglob("quiet*"))
    assert server.save_label("nowhere", bad, []).status_code == 404


def test_an_image_that_is_none(server: LabelServer, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(1000)
    answer = server.post(
        "/infer/suggestion", data={"params": "{}"}, files={"file": ("x.nii.gz", noise)}
    )
    assert answer.status_code == 400
    assert "cannot be read as NIfTI" in answer.json()["detail"]
    assert "Traceback" not in server.log.read_text()


def test_a_server_without_a_classifier_says_so_and_ends(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="No classifier is given; add --conf classifier") as ended,
        running_server(tmp_path / "server", tmp_path / "studies"),
    ):
        pass
    assert "Traceback" not in str(ended.value)


def test_an_archive_that_is_down(sample_data: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/dicom-web"  # bound, not listening
        bundle = str(sample_data / "nodule_classifier")
        cache = {"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(tmp_path / "cache")}
        with running_server(
            tmp_path / "server", nobody, "classifier", bundle, answers=502, **cache
        ) as server:
            answer = server.post("/infer/suggestion?image=1.2.3", data={"params": "{}"})
    assert answer.status_code == 502
    assert "The archive cannot be asked (ConnectionError)" in answer.json()["detail"]
    assert "Traceback" not in server.log.read_text()


def test_options_that_cannot_be(sample_data: Path, tmp_path: Path) -> None:
    """What `MedcontourApp` prints before it ends, for each of them; in the app's environment."""
    bundle = str(sample_data / "nodule_classifier")
    wrong = [
        ({"classifier": str(tmp_path / "nowhere")}, "no bundle's folder"),
        ({"classifier": bundle, "target": "lung"}, 'no class "lung"'),
        ({"classifier": bundle, "most_evaluations": "5"}, "cannot be done in 5"),
        ({"classifier": bundle, "most_seconds": "soon"}, "no most seconds"),
        ({"classifier": bundle, "colour": "red"}, "no option colour"),
    ]
    script = (
        "import sys; from medcontour import MedcontourError; from lib.options import read_options\n"
        f"for conf in {[conf for conf, _ in wrong]}:\n"
        "    try: read_options(conf)\n"
        "    except MedcontourError as error: print(error)\n"
        "    else: print('taken')\n"
    )
    done = subprocess.run(
        [environment() / "bin" / "python", "-c", script],
        cwd=APP,
        env=variables(),
        capture_output=True,
        text=True,
        check=True,
    )
    sentences = done.stdout.splitlines()
    assert len(sentences) == len(wrong)
    for sentence, (_, said) in zip(sentences, wrong, strict=True):
        assert said in sentence
