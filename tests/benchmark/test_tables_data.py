"""Data sets in their published layouts: the right class, and the right pixels as the object."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_data
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medcontour.benchmark import (
    Boxes,
    choose,
    read_coco,
    read_folder,
    read_imagenet,
)
from medcontour.benchmark.data.dataset import read_pixels, write_list
from medcontour.benchmark.truth import truth_in
from medcontour.classifier import PhotoInput
from medcontour.errors import MedcontourError

IMAGE = (40, 60)
NAMES = ("ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002")


def box(rows: slice, columns: slice) -> np.ndarray:
    inside = np.zeros(IMAGE, dtype=bool)
    inside[rows, columns] = True
    return inside


def test_imagenet_with_the_official_boxes(tmp_path: Path) -> None:
    boxes = {NAMES[0]: [(20, 10, 40, 30), (60, 40, 80, 60)], NAMES[1]: [(0, 0, 120, 80)]}
    tiny_data.official(tmp_path, boxes)
    data = read_imagenet(tmp_path)
    assert data.names == NAMES
    one = data.item(NAMES[0])
    assert one.classes == (0,)
    assert data.item(NAMES[1]).classes == (1,)
    # The XML counts the pixels of an image twice as large.
    expected = box(slice(5, 15), slice(10, 20)) | box(slice(20, 30), slice(30, 40))
    assert (one.truth(IMAGE) == expected).all()
    (small,) = choose(data, 5, largest=0.5)
    assert small[0].name == NAMES[0]
    assert small[1] == pytest.approx(200 / 2400)


def test_imagenet_as_kaggle_has_it(tmp_path: Path) -> None:
    where = tmp_path / "ILSVRC" / "Data" / "CLS-LOC" / "val"
    for name in NAMES:
        tiny_data.photograph(where / f"{name}.JPEG")
    first, last = tiny_data.WNIDS[0], tiny_data.WNIDS[-1]
    (tmp_path / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\n"
        f"{NAMES[0]},{last} 10 5 20 15 {last} 30 20 40 30 \n"
        f"{NAMES[1]},{first} 0 0 60 40 \n"
    )
    tiny_data.class_list(tmp_path)
    data = read_imagenet(tmp_path)
    one = data.item(NAMES[0])
    assert (one.classes, data.item(NAMES[1]).classes) == ((999,), (0,))
    expected = box(slice(5, 15), slice(10, 20)) | box(slice(20, 30), slice(30, 40))
    assert (one.truth(IMAGE) == expected).all()


def test_imagenet_warped_with_a_list_of_labels(tmp_path: Path) -> None:
    tiny_data.photograph(tmp_path / "images" / "a.JPEG", 227, 227)
    (tmp_path / "labels.csv").write_text(
        'file,class_index,boxes_227\na.JPEG,27,"[[0.0, 0.0, 227.0, 22.7]]"\n'
    )
    item = read_imagenet(tmp_path).item("a")
    assert item.classes == (27,)
    truth = item.truth((100, 50))
    assert truth[:10].all()
    assert not truth[10:].any()


def test_coco_as_published_leaves_crowds_out(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    tiny_data.coco(tmp_path)
    data = read_coco(tmp_path)
    assert data.names == ("000000000007",)  # the other shows a crowd alone
    truth = data.item("000000000007").truth(IMAGE)
    assert truth[6:14, 11:19].all()
    assert truth[21:29, 31:39].all()
    assert 200 <= truth.sum() <= 242
    # With a list of what the categories are called on ImageNet, each is an item of its own.
    (tmp_path / "categories.json").write_text(json.dumps({"cat": [281, 282]}))
    data = read_coco(tmp_path, tmp_path / "categories.json")
    assert data.names == ("000000000007 cat",)
    item = data.item("000000000007 cat")
    assert item.classes == (281, 282)
    assert item.must_recognise
    assert not item.truth(IMAGE)[20:, 30:].any()


def test_coco_one_image_at_a_time(tmp_path: Path) -> None:
    tiny_data.photograph(tmp_path / "images" / "3.jpg")
    panoptic = np.zeros((*IMAGE, 3), dtype=np.uint8)
    panoptic[5:15, 10:20] = (1, 2, 3)
    panoptic[20:30, 30:40] = (9, 0, 0)
    (tmp_path / "panoptic").mkdir()
    Image.fromarray(panoptic).save(tmp_path / "panoptic" / "3.png")
    zebra = {"id": 1 + 2 * 256 + 3 * 65536, "category": "zebra", "isthing": 1, "iscrowd": 0}
    dog = {"id": 9, "category": "dog", "isthing": 1, "iscrowd": 0}
    grass = {"id": 0, "category": "grass", "isthing": 0, "iscrowd": 0}
    listed = {"file": "3.jpg", "panoptic": "3.png", "segments": [zebra, dog, grass]}
    (tmp_path / "instances.json").write_text(json.dumps({"images": [listed]}))
    zebras = box(slice(5, 15), slice(10, 20))
    everything = read_coco(tmp_path).item("3")
    assert (everything.truth(IMAGE) == zebras | box(slice(20, 30), slice(30, 40))).all()
    assert not everything.must_recognise
    (tmp_path / "categories.json").write_text(json.dumps({"zebra": [340]}))
    item = read_coco(tmp_path, tmp_path / "categories.json").item("3 zebra")
    assert (item.truth(IMAGE) == zebras).all()
    assert item.classes == (340,)
    (tmp_path / "categories.json").write_text("[]")
    with pytest.raises(MedcontourError, match=r"categories\.json is no JSON object"):
        read_coco(tmp_path, tmp_path / "categories.json")


def test_a_folder_with_masks_boxes_or_polygons(tmp_path: Path) -> None:
    expected = box(slice(5, 15), slice(10, 20))

    def folder(name: str) -> Path:
        tiny_data.photograph(tmp_path / name / "images" / "a.png")
        return tmp_path / name

    masks = folder("masks")
    (masks / "masks").mkdir()
    for k, part in enumerate((slice(10, 15), slice(15, 20))):  # one object in two masks
        Image.fromarray(box(slice(5, 15), part)).save(masks / "masks" / f"a_mask_{k}.png")
    table = folder("table")
    (table / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax\na.png,10,5,20,15\n")
    listed = folder("listed")
    (listed / "boxes.json").write_text(json.dumps({"a.png": [[10, 5, 20, 15]]}))
    outlined = folder("outlined")
    polygon = "[[10, 5], [19, 5], [19, 14], [10, 14]]"
    (outlined / "labels.csv").write_text(f'file,label,polygon_xy\na.png,glioma,"{polygon}"\n')
    for where in (masks, table, listed, outlined):
        item = read_folder(where).item("a")
        assert (item.truth(IMAGE) == expected).all(), where
    assert read_folder(outlined).item("a").classes == ("glioma",)
    assert read_folder(outlined, target="2").item("a").classes == (2,)


def test_a_seed_gives_the_same_list_and_a_longer_one_begins_with_it(tmp_path: Path) -> None:
    tiny_data.planted(tmp_path, images=9)
    data = read_folder(tmp_path)
    lists = [[item.name for item, _ in choose(data, n, seed)] for n, seed in ((4, 5), (7, 5))]
    assert lists[1][:4] == lists[0]
    assert len(set(lists[1])) == 7
    assert [item.name for item, _ in choose(data, 7, 6)] != lists[1]
    write_list(choose(data, 4, 5), tmp_path / "images.csv")
    written = (tmp_path / "images.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in written[1:]] == lists[0]


@given(
    rows=st.integers(20, 90),
    columns=st.integers(20, 90),
    resize=st.sampled_from([None, 16, 20, 33]),
)
def test_the_truth_goes_where_the_image_goes(rows: int, columns: int, resize: int | None) -> None:
    """A bright box in the image and the same box as truth meet on the network's input."""
    truth = Boxes(((columns * 0.3, rows * 0.2, columns * 0.7, rows * 0.9),))((rows, columns))
    prepare = PhotoInput((16, 12), resize=resize, mean=(0, 0, 0), spread=(1, 1, 1))
    prepared = prepare(truth.astype(np.float32) * 255)
    found = truth_in(prepared, truth)
    assert found.shape == (16, 12)
    # Away from the edge, which resizing softens, both are the same.
    sure = (prepared.tensor[0] < 0.05) | (prepared.tensor[0] > 0.95)
    assert sure.float().mean() > 0.5
    assert torch.equal(found[sure], prepared.tensor[0][sure] > 0.5)


@pytest.mark.torchvision
def test_photographs_are_prepared_as_torchvision_does() -> None:
    from torchvision import transforms

    pixels = np.random.default_rng(0).integers(0, 256, (300, 411, 3)).astype(np.uint8)
    usual = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    expected = usual(Image.fromarray(pixels))
    torch.testing.assert_close(PhotoInput()(pixels.astype(np.float32)).tensor, expected)


def test_grey_pixels_keep_their_values_and_colour_has_three_channels(tmp_path: Path) -> None:
    deep = np.arange(40 * 60, dtype=np.uint16).reshape(IMAGE) * 20
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (read_pixels(tmp_path / "deep.png") == deep).all()
    tiny_data.photograph(tmp_path / "colour.png")
    assert read_pixels(tmp_path / "colour.png").shape == (*IMAGE, 3)


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    def refused(what: object, *arguments: object) -> str:
        with pytest.raises(MedcontourError) as caught:
            what(*arguments)  # type: ignore[operator]
        return str(caught.value)

    assert "no folder" in refused(read_imagenet, tmp_path / "none")
    assert "ILSVRC2012_img_val.tar" in refused(read_imagenet, tmp_path)
    tiny_data.photograph(tmp_path / "val" / f"{NAMES[0]}.JPEG")
    assert "official XML" in refused(read_imagenet, tmp_path)
    (tmp_path / "LOC_val_solution.csv").write_text(
        f"ImageId,PredictionString\n{NAMES[0]},n00000001 1 2 3 4\n"
    )
    assert "1 of ImageNet's 1000 classes" in refused(read_imagenet, tmp_path)
    (tmp_path / "LOC_val_solution.csv").write_text(
        f"ImageId,PredictionString\n{NAMES[0]},n00000001 1 2 x 4\n"
    )
    assert "four numbers a box" in refused(read_imagenet, tmp_path)
    assert "annotations_trainval2017.zip" in refused(read_coco, tmp_path)
    assert "no folder images" in refused(read_folder, tmp_path)
    tiny_data.photograph(tmp_path / "images" / "a.png")
    assert "none of its 1 images" in refused(read_folder, tmp_path)
    (tmp_path / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax\na.png,0,0,60,40\n")
    assert "covers less than 0.5" in refused(choose, read_folder(tmp_path), 1, 0, 0.5)
    (tmp_path / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax\na.png,0,0,60\n")
    assert "not four numbers" in refused(read_folder(tmp_path).item, "a")
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.zeros((3, 4), dtype=np.uint8)).save(tmp_path / "masks" / "a.png")
    assert "4 x 3 pixels" in refused(read_folder(tmp_path).item("a").truth, IMAGE)


@pytest.mark.shared_data
def test_the_real_folders(shared_data: Path) -> None:
    photographs = read_imagenet(shared_data / "imagenet_val")
    assert len(photographs) == 400
    for item, share in choose(photographs, 5, largest=0.5):
        assert share is not None
        assert 0 < share < 0.5
        assert item.path.is_file()
    pairs = read_coco(shared_data / "coco", shared_data / "coco" / "coco_to_imagenet.json")
    zebra = pairs.item("000000000034 zebra")
    assert zebra.classes == (340,)
    assert zebra.truth((425, 640)).mean() == pytest.approx(0.3415, abs=0.001)
    tumour = read_folder(shared_data / "brain_mri").item("1")
    assert tumour.truth((512, 512)).sum() == pytest.approx(4608, rel=0.05)
    breast = read_folder(shared_data / "busi").item("benign_001")
    assert breast.truth((268, 320)).mean() == pytest.approx(0.0038, abs=0.0001)
