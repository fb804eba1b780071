"""OHIF draws our report's findings where they lie, with what is measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import KDTree
from screen import drawn_points, fitted_image, near_colour, shift

if TYPE_CHECKING:
    from conftest import Reported

pytestmark = pytest.mark.ohif

GREEN = (0, 255, 0)  # the measurement that is looked at


@dataclass(frozen=True)
class Shown:
    """What OHIF shows of the report: its text, the slice that it goes to, and another one."""

    listed: list[str]
    text: list[str]
    shot: NDArray[np.int_]
    elsewhere: NDArray[np.int_]


@pytest.fixture(scope="module")
def drawn(reported: Reported) -> tuple[int, NDArray[np.float64]]:
    """The widest outline's slice, and its points as index (column, row)."""
    found = {}
    for contour in reported.suggestion.contours("outline"):
        points, image = contour.polygon_lps_mm[:, :2], reported.images[contour.slice]
        across = np.linalg.norm(points[:, None] - points, axis=-1).max()
        index = (points - np.array(image.ImagePositionPatient[:2], float)) / image.PixelSpacing[0]
        found[across] = contour.slice, np.vstack([index, index[:1]])
    assert len(found) > 1
    return found[max(found)]


@pytest.fixture(scope="module")
def shown(
    served: tuple[Any, str], reported: Reported, drawn: tuple[int, NDArray[np.float64]]
) -> Shown:
    from ohif_viewer import opened, settled, show, viewport

    browser, address = served
    slices = {contour.slice for contour in reported.suggestion.contours("outline")}
    other = reported.images[min(slices - {drawn[0]})]
    where = (address, other.StudyInstanceUID, "SR")
    with opened(browser, *where, width=1600, height=1080) as (page, _):
        listed = page.locator("[data-cy=study-browser-thumbnail-no-image]").all_inner_texts()
        text = page.locator(".svg-layer text").all_text_contents()
        # The words and the line to them have the curve's colour.
        page.add_style_tag(content=".svg-layer text, .svg-layer line { display: none }")
        settled(page)
        shot = viewport(page)
        show(page, other.SOPInstanceUID)
        return Shown(listed, text, shot, viewport(page))


def test_the_widest_outline_is_drawn_where_it_lies(
    shown: Shown, drawn: tuple[int, NDArray[np.float64]], reported: Reported
) -> None:
    (k, curve), images = drawn, reported.images
    mapping = fitted_image(shown.shot, images[k])
    assert mapping.misfit < 5  # it goes to that slice by itself
    points = drawn_points(shown.shot, GREEN, mapping)
    moved, apart = shift(points, curve)
    assert np.abs(moved).max() < 0.1
    assert apart < 0.3
    # All of it is drawn, in dashes.
    assert np.percentile(KDTree(points).query(curve)[0], 95) < 1
    # Half a pixel off would be seen, and so would be a curve turned over.
    assert np.abs(shift(points, curve + 0.5)[0] + 0.5).max() < 0.1
    size = np.array([images[k].Columns, images[k].Rows])
    for axis in (0, 1):
        flipped = curve.copy()
        flipped[:, axis] = size[axis] - 1 - flipped[:, axis]
        assert np.median(KDTree(flipped).query(points)[0]) > 5


def test_other_slices_have_nothing_drawn_on_them(shown: Shown) -> None:
    assert near_colour(shown.shot, GREEN).any()
    assert not near_colour(shown.elsewhere, GREEN).any()


def test_a_reader_sees_what_is_measured(shown: Shown, reported: Reported) -> None:
    [finding] = reported.suggestion.findings
    text = "\n".join(shown.text)
    for name, value, unit in (
        ("Volume", finding.volume_mm3, "mm3"),
        ("Long axis", finding.longest_diameter_mm, "mm"),
        ("Probability", finding.score, "1"),
    ):
        assert f"{name}: {value:.2f} {unit}" in text


def test_the_objects_are_listed(shown: Shown) -> None:
    assert {entry.split()[0] for entry in shown.listed} == {"SR", "PMAP"}
