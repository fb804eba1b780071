"""Where pixels go, judged by images whose values are their own column or row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch
from monai.data import PILReader
from monai.transforms import (
    Affine,
    BorderPad,
    CenterSpatialCrop,
    Compose,
    CropForeground,
    DeleteItemsd,
    DivisiblePad,
    EnsureChannelFirst,
    EnsureChannelFirstd,
    EnsureType,
    EnsureTyped,
    Flip,
    Flipd,
    Lambda,
    Lambdad,
    LoadImage,
    LoadImaged,
    NormalizeIntensityd,
    Orientation,
    Orientationd,
    RepeatChannel,
    Resize,
    Resized,
    ResizeWithPadOrCrop,
    ResizeWithPadOrCropd,
    Rotate,
    Rotate90,
    Rotate90d,
    ScaleIntensityRanged,
    Spacing,
    Spacingd,
    SpatialCrop,
    SpatialPad,
    SpatialPadd,
    SqueezeDim,
    ToNumpy,
    ToTensor,
    Transpose,
    Transposed,
    Zoom,
)
from PIL import Image
from torch import nn

from medcontour.classifier import Prepared, load_classifier
from medcontour.errors import MedcontourError

ROWS, COLUMNS = 47, 61
SPACING = (0.7, 1.3)
LINEAR = "bilinear"
Plane = npt.NDArray[np.float32]


def prepare(transforms: Any, plane: Plane, spacing: tuple[float, float] = SPACING) -> Prepared:
    classifier = load_classifier(nn.Flatten(), labels=["no", "yes"], preprocessing=transforms)
    return classifier.prepare(plane, spacing)


def ramps() -> tuple[Plane, Plane]:
    """Give planes of their own column and row, away from 0, which padding has."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    return columns + 100, rows + 100


def placed(prepared: Prepared) -> npt.NDArray[np.float64]:
    """Say where each input pixel lies in the source: (2, height, width), column and row."""
    grid = np.indices(prepared.tensor.shape[1:]).reshape(2, -1)
    homogeneous = np.vstack([grid, np.ones(grid.shape[1])])
    return (prepared.index_from_input @ homogeneous)[:2].reshape(2, *prepared.tensor.shape[1:])


def off_ramp(prepared: tuple[Prepared, Prepared]) -> list[npt.NDArray[np.float64]]:
    """Give how far the values are from where index_from_input says, in source pixels."""
    differences = []
    for axis, ramp in enumerate(prepared):
        place = placed(ramp)
        inside = (place[0] > 3) & (place[0] < COLUMNS - 4) & (place[1] > 3) & (place[1] < ROWS - 4)
        assert inside.sum() > 100
        values = ramp.tensor[0].numpy().astype(np.float64) - 100
        differences.append((values - place[axis])[inside])
    return differences


EXACT: dict[str, Callable[[], list[Any]]] = {
    "nothing": lambda: [],
    "resize down and up": lambda: [Resize((94, 40), mode=LINEAR)],
    "resize one axis": lambda: [Resize((COLUMNS, 30), mode=LINEAR)],
    "resize align_corners": lambda: [Resize((64, 40), mode=LINEAR, align_corners=True)],
    "resize longest": lambda: [Resize(56, size_mode="longest", mode=LINEAR)],
    "spacing": lambda: [Spacing((1.0, 1.0), mode=LINEAR)],
    "spacing align_corners": lambda: [Spacing((1.0, 1.0), mode=LINEAR, align_corners=True)],
    "pad": lambda: [SpatialPad((70, 71))],
    "pad at the end": lambda: [SpatialPad((70, 71), method="end")],
    "border pad": lambda: [BorderPad((3, 1, 2, 7))],
    "divisible pad": lambda: [DivisiblePad(16)],
    "centre crop": lambda: [CenterSpatialCrop((30, 31))],
    "crop": lambda: [SpatialCrop(roi_start=(3, 5), roi_end=(40, 30))],
    "crop foreground": lambda: [CropForeground(select_fn=lambda x: x > 120, margin=2)],
    "pad or crop": lambda: [ResizeWithPadOrCrop((50, 60))],
    "flip columns": lambda: [Flip(0)],
    "flip rows": lambda: [Flip(1)],
    "rotate by 90": lambda: [Rotate90(1)],
    "rotate by 270": lambda: [Rotate90(3)],
    "rotate": lambda: [Rotate(0.3, keep_size=False, mode=LINEAR)],
    "zoom in": lambda: [Zoom(1.3, mode=LINEAR)],
    "zoom out": lambda: [Zoom(0.7, mode=LINEAR)],
    "zoom to another size": lambda: [Zoom(0.77, keep_size=False, mode=LINEAR)],
    "orientation flips": lambda: [Orientation("LP")],
    "orientation transposes": lambda: [Orientation("PR")],
    "affine": lambda: [
        Affine(rotate_params=0.2, scale_params=(1.2, 0.9), mode=LINEAR, image_only=True)
    ],
    "transpose": lambda: [Transpose((0, 2, 1))],
    "transpose, then spacing": lambda: [Transpose((0, 2, 1)), Spacing((1.0, 1.0), mode=LINEAR)],
    "transpose, counted from the end": lambda: [Transpose((0, -1, -2))],
    "a long chain": lambda: [
        Spacing((1.0, 1.0), mode=LINEAR),
        ResizeWithPadOrCrop((70, 72)),
        Flip(1),
        Resize((64, 60), mode=LINEAR),
        Rotate90(),
    ],
    "a chain in a chain": lambda: [Compose([Flip(0), Compose([Resize((60, 40), mode=LINEAR)])])],
    "ends as a plain tensor": lambda: [
        Resize((64, 40), mode=LINEAR),
        EnsureType(track_meta=False),
    ],
    "goes through numpy": lambda: [
        ToNumpy(),
        Resize((64, 40), mode=LINEAR),
        ToTensor(track_meta=False),
        Spacing((1.0, 1.0), mode=LINEAR),
    ],
    "goes through numpy in a Lambda": lambda: [
        Lambda(lambda x: x.numpy() * 1.0),
        Resize((64, 40), mode=LINEAR),
        Lambda(lambda x: x.numpy() * 1.0),
    ],
    "channel taken away and back": lambda: [
        SqueezeDim(0),
        Lambda(lambda x: x * 1.0),
        EnsureChannelFirst(channel_dim="no_channel"),
        RepeatChannel(3),
        Flip(0),
    ],
}


@pytest.mark.parametrize("lazy", [False, True], ids=["", "lazy"])
@pytest.mark.parametrize("name", EXACT)
def test_index_from_input_is_exact(name: str, lazy: bool) -> None:
    steps = [EnsureChannelFirst(), *EXACT[name]()]
    columns, rows = (prepare(Compose(steps, lazy=lazy), ramp) for ramp in ramps())
    for difference in off_ramp((columns, rows)):
        assert np.abs(difference).max() < 1e-3


SAMPLED: dict[str, Callable[[], list[Any]]] = {
    "area": lambda: [Resize((20, 20), mode="area")],
    "area up": lambda: [Resize((100, 90), mode="area")],
    "bicubic": lambda: [Resize((90, 77), mode="bicubic")],
    "anti-aliased": lambda: [Resize((30, 24), mode=LINEAR, anti_aliasing=True)],
    "nearest-exact": lambda: [Resize((20, 16), mode="nearest-exact")],
    "nearest up by 3": lambda: [Resize((183, 141), mode="nearest")],
    "nearest down": lambda: [Resize((20, 16), mode="nearest")],
    "nearest down by 1.5": lambda: [CenterSpatialCrop((60, 45)), Resize((40, 30), mode="nearest")],
    "nearest, flipped": lambda: [Flip(), Resize((20, 16), mode="nearest"), Flip(0)],
    "nearest zoom": lambda: [Zoom(0.4, mode="nearest")],
    "nearest spacing": lambda: [Spacing((2.0, 2.0), mode="nearest")],
}


@pytest.mark.parametrize("name", SAMPLED)
def test_index_from_input_is_right_on_average_where_sampling_is_coarse(name: str) -> None:
    """These modes are within a source pixel or so of a line, and must lie about it evenly."""
    steps = [EnsureChannelFirst(), *SAMPLED[name]()]
    columns, rows = (prepare(Compose(steps), ramp) for ramp in ramps())
    for difference in off_ramp((columns, rows)):
        assert abs(difference.mean()) < 0.05
        assert np.abs(difference).max() < 0.51


def test_the_default_is_rows_first_scaled_and_not_resized() -> None:
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    classifier = load_classifier(nn.Flatten(), labels=["no", "yes"])
    prepared = classifier.prepare(plane, (1.0, 2.0))
    np.testing.assert_allclose(prepared.tensor[0].numpy(), plane / 11, rtol=1e-6)
    for axis in (0, 1):  # column, then row, of each pixel
        np.testing.assert_allclose(placed(prepared)[axis], np.indices((3, 4))[1 - axis])
    colour = classifier.prepare(np.stack([plane, plane, 22 - plane], axis=-1), (1.0, 2.0))
    assert colour.tensor.shape == (3, 3, 4)
    np.testing.assert_allclose(colour.tensor[1].numpy(), plane / 22, rtol=1e-6)


@pytest.mark.parametrize(
    ("indices", "rows_first"), [((2, 0, 1), False), ((2, 1, 0), True), (None, True)]
)
def test_transposing_colour_planes_as_they_are_loaded(indices: Any, rows_first: bool) -> None:
    colour = [np.stack([ramp, ramp + 1, ramp + 2], axis=-1) for ramp in ramps()]
    columns, rows = (prepare(Compose([Transpose(indices)]), plane) for plane in colour)
    assert columns.tensor.shape[1:] == ((ROWS, COLUMNS) if rows_first else (COLUMNS, ROWS))
    for difference in off_ramp((columns, rows)):
        assert np.abs(difference).max() < 1e-3


def bundle_like(reader: Any = None, **options: Any) -> list[Any]:
    return [
        LoadImaged(keys="image", reader=reader, **options),
        ScaleIntensityRanged(keys="image", a_min=0, a_max=255, b_min=0, b_max=1, clip=True),
        Resized(keys="image", spatial_size=40, size_mode="longest", mode=LINEAR),
        ResizeWithPadOrCropd(keys="image", spatial_size=(40, 40)),
        Rotate90d(keys="image"),
        NormalizeIntensityd(keys="image", nonzero=True),
        EnsureTyped(keys="image"),
    ]


def check_as_from_file(transforms: Any, path: Path, plane: Plane, spacing: Any) -> None:
    loaded = transforms({"image": str(path)})["image"]
    prepared = prepare(transforms, plane, spacing)
    torch.testing.assert_close(prepared.tensor, loaded.as_tensor().float(), rtol=0, atol=0)


@pytest.mark.parametrize("channels", [None, 3], ids=["grey", "colour"])
@pytest.mark.parametrize(
    "options",
    [{}, {"reader": "PILReader"}, {"reader": PILReader(reverse_indexing=False)}],
    ids=["any reader", "named reader", "rows first"],
)
@pytest.mark.parametrize("load_moves_channels", [True, False])
def test_as_monai_reads_image_files(
    tmp_path: Path, channels: int | None, options: dict[str, Any], load_moves_channels: bool
) -> None:
    shape = (ROWS, COLUMNS) if channels is None else (ROWS, COLUMNS, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "plane.png")
    steps = bundle_like(**options, ensure_channel_first=load_moves_channels)
    if not load_moves_channels:
        steps.insert(1, EnsureChannelFirstd(keys="image"))
    plane = pixels.astype(np.float32)
    check_as_from_file(Compose(steps), tmp_path / "plane.png", plane, (1.0, 1.0))


@pytest.mark.parametrize("rows_first", [False, True])
def test_index_from_input_whichever_axis_the_reader_gives_first(rows_first: bool) -> None:
    transforms = Compose(
        [
            LoadImage(reader=PILReader(reverse_indexing=not rows_first), ensure_channel_first=True),
            Spacing((1.0, 1.0), mode=LINEAR),
            Resize((40, 50), mode=LINEAR),
        ]
    )
    columns, rows = (prepare(transforms, ramp) for ramp in ramps())
    for difference in off_ramp((columns, rows)):
        assert np.abs(difference).max() < 1e-3
    first_axis_moves_columns = abs(columns.index_from_input[0, 0]) > 0.1
    assert first_axis_moves_columns is not rows_first


def test_as_monai_reads_nifti_files_with_their_spacing(tmp_path: Path) -> None:
    plane = np.random.default_rng(0).normal(100, 60, (ROWS, COLUMNS)).astype(np.float32)
    spacing = row_mm, column_mm = 0.75, 1.25  # exact in the header's float32
    image = nib.Nifti1Image(plane.T, np.diag([column_mm, row_mm, 1.0, 1.0]))
    nib.save(image, tmp_path / "plane.nii.gz")
    steps = bundle_like()
    steps[1:1] = [
        EnsureChannelFirstd(keys="image"),
        Orientationd(keys="image", axcodes="LA", labels=None),
        Spacingd(keys="image", pixdim=(1.0, 1.0), mode=LINEAR),
    ]
    check_as_from_file(Compose(steps), tmp_path / "plane.nii.gz", plane, spacing)


def test_dictionary_transforms_with_other_keys() -> None:
    keys = ["label", "photo"]
    transforms = Compose(
        [
            LoadImaged(keys=["photo", "label"]),
            EnsureChannelFirstd(keys=keys),
            Transposed(keys=keys, indices=(0, 2, 1)),
            SpatialPadd(keys=keys, spatial_size=(64, 64)),
            Lambdad(keys=keys, func=lambda x: x * 1.0),
            Flipd(keys=keys, spatial_axis=0),
            DeleteItemsd(keys="label"),
        ]
    )
    columns, rows = (prepare(transforms, ramp) for ramp in ramps())
    for difference in off_ramp((columns, rows)):
        assert np.abs(difference).max() < 1e-3
    assert not any(step.allow_missing_keys for step in transforms.transforms)


def test_without_a_loader_the_key_is_that_of_the_first_transform() -> None:
    transforms = Compose(
        [EnsureChannelFirstd(keys="scan"), Resized(keys="scan", spatial_size=(30, 40))]
    )
    assert prepare(transforms, ramps()[0]).tensor.shape == (1, 30, 40)


def test_any_callable_gets_what_load_image_gives() -> None:
    seen: list[Any] = []

    def halve(image: Any) -> Any:
        seen.append(image)
        return image[None].numpy() / 2

    column_ramp, _ = ramps()
    prepared = prepare(halve, column_ramp)
    assert tuple(seen[-1].shape) == (COLUMNS, ROWS)
    np.testing.assert_allclose(np.diag(seen[-1].affine)[:2], SPACING[::-1])
    np.testing.assert_array_equal(prepared.tensor[0].numpy(), column_ramp.T / 2)


def test_a_step_that_writes_the_affine_itself() -> None:
    def every_other_column(image: Any) -> Any:
        image = image[:, 1::2]
        step = torch.eye(4, dtype=torch.float64)
        step[0, 0], step[0, 3] = 2, 1
        image.affine = image.affine @ step
        return image

    transforms = Compose([EnsureChannelFirst(), every_other_column, Flip(0)])
    columns, rows = (prepare(transforms, ramp) for ramp in ramps())
    for difference in off_ramp((columns, rows)):
        assert np.abs(difference).max() < 1e-3


def crop_by_hand(image: Any) -> Any:
    return image[:, ::2, ::2]


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([EnsureChannelFirst(), crop_by_hand], "crop_by_hand"),
        ([EnsureChannelFirst(), Lambda(lambda x: x.numpy()[:, 2:])], "Lambda"),
        ([EnsureChannelFirst(), lambda x: [x, x]], "<lambda>"),
        ([EnsureChannelFirst(), Lambda(lambda x: x.permute(0, 2, 1))], "Lambda"),
    ],
)
def test_a_step_that_changes_the_shape_without_saying_where(steps: Any, named: str) -> None:
    with pytest.raises(MedcontourError, match=f"step {named} changes the plane from .61, 47."):
        prepare(Compose(steps), ramps()[0])


def test_affine_with_align_corners_is_refused() -> None:
    affine = Affine(
        scale_params=(1.2, 0.9), spatial_size=(40, 40), align_corners=True, image_only=True
    )
    with pytest.raises(MedcontourError, match="align_corners to False"):
        prepare(Compose([EnsureChannelFirst(), affine]), ramps()[0])


def test_a_step_that_fails_is_named() -> None:
    def fails(image: Any) -> Any:
        raise ValueError("no such thing\nand more")

    with pytest.raises(
        MedcontourError, match=r"step fails fails on .* shape \(61, 47\) \(no such thing\);"
    ):
        prepare(fails, ramps()[0])


@pytest.mark.parametrize("colour", [False, True])
def test_a_spatial_step_before_channels_are_first(colour: bool) -> None:
    plane = np.stack([ramps()[0]] * 3, axis=-1) if colour else ramps()[0]
    with pytest.raises(MedcontourError, match=r"Resize needs channels first.*EnsureChannelFirst"):
        prepare(Compose([Resize((32, 32)), EnsureChannelFirst()]), plane)


def test_a_result_that_is_no_plane() -> None:
    with pytest.raises(MedcontourError, match=r"shape \(61, 47\), not \(channels"):
        prepare(Compose([]), ramps()[0])


def test_a_volume_is_no_plane() -> None:
    with pytest.raises(MedcontourError, match="one plane at a time"):
        prepare(Compose([EnsureChannelFirst()]), np.zeros((4, 5, 6, 7), dtype=np.float32))
