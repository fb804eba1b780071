"""A reader paints over our segmentation in OHIF and stores it; what was painted is read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from numpy.typing import NDArray
from screen import at_pixel_centres, fitted_image, labelled, near_colour
from small_files import Answer

pytestmark = pytest.mark.ohif

PAINTED, LEFT = 14, 15
ORANGE = (230, 159, 0)
RADIUS_MM = 10
STROKE = 12  # image columns that the brush is drawn along, to the patient's left


@dataclass(frozen=True)
class Painted:
    """What OHIF stored, and the pixels of the painted slice that it showed filled."""

    stored: pydicom.FileDataset
    before: NDArray[np.bool_]
    after: NDArray[np.bool_]


@pytest.fixture(scope="module")
def painted(
    chromium: Any,
    sample_data: Path,
    results: Path,
    images: dict[int, pydicom.Dataset],
    tmp_path_factory: pytest.TempPathFactory,
) -> Painted:
    from ohif_viewer import entered, running_ohif, show, viewport
    from painting import load_segmentation, store, stroke, take_brush

    image = images[PAINTED]
    folder = tmp_path_factory.mktemp("ohif_painted")
    with running_ohif(folder, {sample_data / "ct_study": results}) as address:
        where = (address, image.StudyInstanceUID, "segmentation")
        with entered(chromium, *where, width=1900, height=1080) as (page, _):
            load_segmentation(page)
            take_brush(page, RADIUS_MM)
            show(page, image.SOPInstanceUID)
            shot = viewport(page)
            mapping = fitted_image(shot, image)
            before = at_pixel_centres(near_colour(shot, ORANGE), mapping, image.pixel_array)
            middle = np.argwhere(before)[:, ::-1].mean(0)
            end = middle + np.array([STROKE, 0])
            stroke(page, mapping.to_screen(middle), mapping.to_screen(end))
            drawn = near_colour(viewport(page), ORANGE)
            store(page)
        archive = DICOMwebClient(f"{address}/dicom-web")
        series = archive.search_for_series(
            image.StudyInstanceUID, search_filters={"Modality": "SEG"}
        )
        objects = [
            found
            for one in series
            for found in archive.retrieve_series(
                image.StudyInstanceUID, one["0020000E"]["Value"][0]
            )
        ]
    [stored] = [one for one in objects if one.get("Manufacturer") != "medcontour"]
    return Painted(stored, before, at_pixel_centres(drawn, mapping, image.pixel_array))


def test_it_is_painted_over_what_we_stored(
    painted: Painted, results: Path, images: dict[int, pydicom.Dataset]
) -> None:
    image = images[PAINTED]
    assert np.array_equal(painted.before, labelled(results / "labelmap.nii.gz", image))
    row_mm, column_mm = map(float, image.PixelSpacing)
    row, column = np.argwhere(painted.before).mean(0)
    rows, columns = np.indices(painted.before.shape)
    along = np.clip(columns - column, 0, STROKE)
    brushed = np.hypot((rows - row) * row_mm, (columns - column - along) * column_mm)
    # Within a pixel of its edge the brush may have rounded either way.
    sure = np.abs(brushed - RADIUS_MM) > max(row_mm, column_mm)
    expected = painted.before | (brushed < RADIUS_MM)
    assert np.array_equal(painted.after[sure], expected[sure])


def test_what_was_painted_is_read_back_pixel_for_pixel(
    painted: Painted,
    results: Path,
    images: dict[int, pydicom.Dataset],
    tmp_path: Path,
    medcontour: Callable[..., Answer],
) -> None:
    painted.stored.save_as(tmp_path / "edited.dcm")
    answer = medcontour(
        "refine",
        results,
        tmp_path / "edited.dcm",
        "--out",
        tmp_path / "out",
        "--export",
        "labelmap",
    )
    assert answer.code == 0, answer.err
    written = tmp_path / "out" / "labelmap.nii.gz"
    assert np.array_equal(labelled(written, images[PAINTED]), painted.after)
    untouched = labelled(results / "labelmap.nii.gz", images[LEFT])
    assert np.array_equal(labelled(written, images[LEFT]), untouched)

    report = json.loads((tmp_path / "out" / "edit_report.json").read_text())
    assert [(each["slice"], each["change"]) for each in report["slices"]] == [
        (PAINTED, "moved"),
        (LEFT, "unchanged"),
    ]
    [finding] = report["findings"]
    assert finding["change"] == "grown"
    pixel_mm2 = float(np.prod([float(mm) for mm in images[PAINTED].PixelSpacing]))
    grown_mm2 = (painted.after.sum() - painted.before.sum()) * pixel_mm2
    assert report["slices"][0]["area_change_mm2"] == pytest.approx(grown_mm2, rel=0.03)


def test_it_stores_no_spacing_of_its_own(painted: Painted) -> None:
    """Why a frame's spacing may have to be its source image's: seen in what OHIF 3.12.10 stores."""
    [shared] = painted.stored.SharedFunctionalGroupsSequence
    assert "PixelSpacing" not in shared.PixelMeasuresSequence[0]
    assert painted.stored.SegmentationType == "BINARY"
