"""A reader's brush in OHIF's segmentation mode, by mouse and menu alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from ohif_viewer import listing, settled
from playwright.sync_api import Page


def load_segmentation(page: Page) -> None:
    """Open the study's only SEG for editing."""
    listing(page, "SEG").dblclick()
    load = page.locator("[data-cy=yes-hydrate-btn]")
    load.click()
    load.wait_for(state="detached")
    settled(page)


def take_brush(page: Page, radius_mm: int) -> None:
    """Take the brush, of a radius in mm, to paint the segment that is chosen."""
    # The brush's own circle has the segment's colour, and stays where it was last.
    page.add_style_tag(content=".svg-layer { display: none }")
    page.locator("[data-cy=Brush-btn]").click()
    radius = page.locator("input:right-of(:text('Radius (mm)'))").first
    radius.fill(str(radius_mm))
    radius.press("Enter")
    settled(page)


def stroke(page: Page, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
    """Draw the brush from one point of the viewport to another: (x, y) in its screen pixels."""
    corner = page.locator(".cornerstone-canvas").bounding_box()
    assert corner
    for share in np.linspace(0, 1, 10):
        x, y = start + share * (end - start)
        page.mouse.move(corner["x"] + x, corner["y"] + y)
        page.wait_for_timeout(50)
        if share == 0:
            page.mouse.down()
    page.mouse.up()
    settled(page)


def store(page: Page) -> None:
    """Export the segmentation as a DICOM SEG into the archive that the study came from."""
    page.locator(
        "button[aria-haspopup=menu]:below([data-cy=InterpolateLabelmap-btn])"
    ).first.click()
    page.get_by_role("menuitem", name="Download & Export").hover()
    page.get_by_role("menuitem", name="DICOM SEG").last.click()  # the first downloads it
    with page.expect_response(lambda reply: reply.request.method == "POST") as stored:
        page.get_by_role("dialog").get_by_text("Save", exact=True).click()
    assert stored.value.url.endswith("/dicom-web/studies")
    assert stored.value.ok
