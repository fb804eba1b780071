"""Label maps and curves as clients get them: on the image's grid, with scores and evidence."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from label_server import LabelServer, environment, running_server, variables

import medcontour as mc
from medcontour.pipeline.allowance import most_a_slice

pytestmark = pytest.mark.monailabel


def test_clients_find_models_labels_and_strategy(server: LabelServer) -> None:
    info = server.get("/info/")
    kinds = {name: model["type"] for name, model in info["models"].items()}
    assert kinds == {
        "suggestion": "segmentation",
        "curves": "segmentation",
        "snap": "deepgrow",
        "snap_drawing": "scribbles",
    }
    assert all(model["labels"] == {"nodule": 1} for model in info["models"].values())
    assert info["labels"] == ["nodule"]
    assert "weakest_evidence" in info["strategies"]


@pytest.mark.parametrize("study", ["oblique", "flipped"])
@pytest.mark.parametrize(
    ("ending", "more"),
    [
        (".nii.gz", {}),
        (".nrrd", {"result_dtype": "uint8", "result_compress": False}),  # as OHIF asks
    ],
)
def test_labels_lie_on_the_images_own_grid(
    server: LabelServer, tmp_path: Path, study: str, ending: str, more: dict
) -> None:
    params = {"result_extension": ending, **more}
    answer = server.infer("suggestion", study, tmp_path, params)
    assert answer.content_type == "application/octet-stream"
    source = SimpleITK.ReadImage(str(server.studies / f"{study}.nii.gz"))
    label = SimpleITK.ReadImage(str(answer.file))
    assert label.GetSize() == source.GetSize()
    for got, own in [
        (label.GetOrigin(), source.GetOrigin()),
        (label.GetSpacing(), source.GetSpacing()),
        (label.GetDirection(), source.GetDirection()),
    ]:
        np.testing.assert_allclose(got, own, atol=1e-4)
    assert set(np.unique(SimpleITK.GetArrayViewFromImage(label))) == {0, 1}
    assert answer.params["label_names"] == {"nodule": 1}
    if ending == ".nii.gz":
        theirs = nibabel.load(server.studies / f"{study}.nii.gz")
        np.testing.assert_allclose(nibabel.load(answer.file).affine, theirs.affine, atol=1e-4)


def test_labels_scores_and_evidence_are_those_of_the_command(
    server: LabelServer, by_command: Path, tmp_path: Path
) -> None:
    answer = server.infer("suggestion", "oblique", tmp_path)
    ours, theirs = (
        np.asarray(nibabel.load(path).dataobj)
        for path in (answer.file, by_command / "labelmap.nii.gz")
    )
    np.testing.assert_array_equal(ours > 0, theirs > 0)  # a value a class, a value a finding
    document = json.loads((by_command / "suggestion.json").read_text())
    assert len(answer.params["findings"]) == len(document["findings"]) > 0
    for finding, own in zip(answer.params["findings"], document["findings"], strict=True):
        for ours, theirs in zip(finding["slices"], own["slices"], strict=True):
            for part in ("slice", "score", "status"):
                assert ours[part] == theirs[part]
            # Batches of another size round differently in the last digits.
            assert ours["evidence"] == pytest.approx(theirs["evidence"], rel=1e-4)
    assert answer.params["slice_scores"] == document["slice_scores"]
    assert str(server.studies) not in json.dumps(answer.params)


def test_curves_are_editable_and_lie_on_the_outlines(
    server: LabelServer, by_command: Path, studies: Path, tmp_path: Path
) -> None:
    answer = server.infer("curves", "oblique", tmp_path, {"result_extension": ".nrrd"})
    assert answer.file is not None
    assert answer.file.name.endswith(".mrk.json")
    markups = json.loads(answer.file.read_text())["markups"]
    suggestion = mc.Suggestion.read_json(by_command)
    outlines = [c for f in suggestion.slices for c in f.outlines]
    named = [m for m in markups if "evidence" not in m["name"]]
    assert len(named) == len(outlines) > 0
    assert all(m["type"] == "ClosedCurve" and not m["locked"] for m in markups)
    report = mc.refine(suggestion, answer.file, mc.read_scan(studies / "oblique.nii.gz")).report
    assert not report.changed  # each curve is the one that was suggested
    assert sum(f.unchanged for f in report.slices) == len(outlines)


def test_the_client_of_3d_slicers_module_takes_the_answers(
    server: LabelServer, tmp_path: Path
) -> None:
    """`MONAILabelClient`, which the module brings along, run where it is installed."""
    script = (
        "import json, sys; from monailabel.client import MONAILabelClient\n"
        "client = MONAILabelClient(sys.argv[1], sys.argv[2])\n"
        "answers = [client.infer(m, 'oblique', {'result_extension': '.nrrd'})\n"
        "           for m in ('suggestion', 'curves')]\n"
        "sample = client.next_sample('weakest_evidence', {})\n"
        "print(json.dumps([answers, sample]))\n"
    )
    done = subprocess.run(
        [environment() / "bin" / "python", "-c", script, server.url, tmp_path],
        env=variables(),
        check=True,
        capture_output=True,
        text=True,
    )
    [labels, curves], sample = json.loads(done.stdout.splitlines()[-1])
    assert set(np.unique(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(labels[0])))) == {0, 1}
    assert labels[1]["label_names"] == {"nodule": 1}
    assert curves[0].endswith(".json")  # by which the module knows markups
    assert json.loads(Path(curves[0]).read_text())["markups"]
    assert Path(sample["path"]).is_file()


def test_an_image_without_findings_gives_zeros_and_no_curves(
    server: LabelServer, tmp_path: Path
) -> None:
    answer = server.infer("suggestion", "quiet", tmp_path)
    assert answer.params["findings"] == []
    assert not np.asarray(nibabel.load(answer.file).dataobj).any()
    curves = server.infer("curves", "quiet", tmp_path)
    assert curves.file is None
    assert curves.params["slice_scores"] == answer.params["slice_scores"]


def test_an_uploaded_image_is_answered_on_its_grid(
    server: LabelServer, by_command: Path, studies: Path, tmp_path: Path
) -> None:
    """As MITK does, which knows no image of the server by name."""
    with (studies / "oblique.nii.gz").open("rb") as file:
        files = {"file": ("post_from_mitk.nii.gz", file)}
        answer = server.infer("suggestion", "", tmp_path, {"restore_label_idx": True}, files)
    ours, theirs = (nibabel.load(p) for p in (answer.file, by_command / "labelmap.nii.gz"))
    np.testing.assert_array_equal(np.asarray(ours.dataobj) > 0, np.asarray(theirs.dataobj) > 0)
    np.testing.assert_array_equal(ours.affine, theirs.affine)


def test_limits_are_kept(studies: Path, sample_data: Path, tmp_path: Path) -> None:
    most = most_a_slice(mc.Settings())
    conf = ["classifier", str(sample_data / "nodule_classifier"), "most_evaluations", str(most)]
    own = tmp_path / "studies"
    own.mkdir()
    (own / "oblique.nii.gz").write_bytes((studies / "oblique.nii.gz").read_bytes())
    with running_server(tmp_path / "server", own, *conf) as server:
        answer = server.infer("suggestion", "oblique", tmp_path)
    assert 0 < answer.params["evaluations"] <= most
    [finding] = answer.params["findings"]
    scores = {int(k): v for k, v in answer.params["slice_scores"].items()}
    [part] = finding["slices"]
    assert part["slice"] == max(scores, key=lambda k: scores[k])
    assert any("not looked at" in note for note in answer.params["notes"])
