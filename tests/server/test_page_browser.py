"""The page in a real Chromium: opened, edited, saved, downloaded; and what it fetches."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from page_hand import drag, handle, outline
from playwright.sync_api import expect
from server_process import ROOT, Running, running

pytestmark = pytest.mark.browser

KEY = "a key of enough characters"
SIZE = {"width": 1280, "height": 720}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It shows the sample study, and looks at one slice of it."""
    out = tmp_path_factory.mktemp("served") / "out"
    studies = str(ROOT / "sample_data")
    with running(out, "--studies", studies, "--slices", "13", key=KEY) as started:
        yield started


@pytest.fixture(scope="module")
def page(server: Running, chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport=SIZE, accept_downloads=True)
    page = context.new_page()
    page.fetched = []
    page.faults = []
    page.on("request", lambda request: page.fetched.append(request.url))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on(
        "console",
        lambda told: page.faults.append(told.text) if told.type == "error" else None,
    )
    page.goto(server.url)
    page.wait_for_selector("#ask[open]")
    page.faults.clear()  # the browser itself says that the key was missing
    page.fill("#key", KEY)
    page.press("#key", "Enter")
    page.wait_for_selector("#studies option:nth-child(2)", state="attached")
    yield page
    context.close()


def test_a_study_is_opened_edited_and_exported(page: Any, server: Running) -> None:
    page.select_option("#studies", label="2: ct_study")
    page.click("#open")
    page.wait_for_selector("#suggest:not([disabled])")
    page.click("#suggest")
    page.wait_for_selector("#findings button", timeout=180_000)
    expect(page.locator("#place")).to_have_text("axial, slice 14 of 40")
    before = outline(page)

    drag(page, 12, 4)
    after = outline(page)
    moved = np.linalg.norm(after - before, axis=1)
    assert moved.max() > 2
    assert (moved < 1e-9).sum() > len(moved) / 2  # the other side stays where it is
    expect(page.locator("#figures")).to_contain_text("the curve as it is", timeout=60_000)

    page.keyboard.press("Control+s")
    expect(page.locator("#said")).to_contain_text("is saved", timeout=30_000)
    assert "1 of" in page.inner_text("#report")
    with page.expect_download() as waiting:
        page.click("#export")
    content = Path(waiting.value.path()).read_bytes()
    assert waiting.value.suggested_filename == "rtstruct.dcm"
    there = [
        np.asarray(contour.ContourData, dtype=float).reshape(-1, 3)
        for roi in pydicom.dcmread(io.BytesIO(content)).ROIContourSequence
        for contour in roi.ContourSequence
    ]
    assert min(_farthest(each, after) for each in there) < 0.1
    assert not page.faults


def _farthest(one: np.ndarray, other: np.ndarray) -> float:
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    return float(max(apart.min(0).max(), apart.min(1).max()))


def test_the_keyboard_does_everything(page: Any) -> None:
    page.focus("#view")
    page.keyboard.press("n")
    place = page.inner_text("#place")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#place")).not_to_have_text(place)
    page.keyboard.press("ArrowUp")
    before = outline(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+ArrowRight")
    assert np.abs(outline(page) - before).max() > 0.3
    page.keyboard.press("u")
    assert np.array_equal(outline(page), before)
    page.keyboard.press("r")
    assert page.locator("#findings .rejected").count() == 1
    page.keyboard.press("u")
    assert page.locator("#findings .rejected").count() == 0
    for name in ("coronal, row", "sagittal, column", "axial, slice"):
        page.keyboard.press("v")
        expect(page.locator("#place")).to_contain_text(name)
    page.keyboard.press("z")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("z")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("Escape")
    assert not page.faults


def test_an_outline_is_drawn_and_snapped(page: Any) -> None:
    page.focus("#view")
    page.keyboard.press("n")
    expect(page.locator("#place")).to_have_text("axial, slice 14 of 40")
    count = page.locator("#findings button").count()
    middle = np.mean([handle(page, n) for n in range(12)], axis=0)
    page.keyboard.press("d")
    around = [middle + 25 * np.array([np.cos(a), np.sin(a)]) for a in np.linspace(0, 6, 20)]
    page.mouse.move(*around[0])
    page.mouse.down()
    for point in around:
        page.mouse.move(*point)
    page.mouse.up()
    assert page.locator("#findings button").count() == count + 1
    drawn = outline(page)
    page.keyboard.press("s")
    expect(page.locator("#cancel")).to_be_visible(timeout=30_000)
    expect(page.locator("#cancel")).to_be_hidden(timeout=60_000)
    assert len(outline(page)) != len(drawn)
    page.keyboard.press("Control+z")
    assert np.array_equal(outline(page), drawn)
    page.keyboard.press("Control+z")
    assert page.locator("#findings button").count() == count
    assert not page.faults


def test_an_outline_is_drawn_by_keys(page: Any) -> None:
    page.focus("#view")
    page.keyboard.press("n")
    count = page.locator("#findings button").count()
    start = page.evaluate("import('./state.js').then(({ view }) => [view.at.column, view.at.row])")
    page.keyboard.press("d")
    for way in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(" ")
        for key in (f"Shift+{way}", way):  # five pixels and one
            page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert page.locator("#findings button").count() == count + 1
    polygon = page.evaluate("import('./state.js').then(({ now }) => now.outline.polygon)")
    inside = np.subtract(polygon, start)
    assert inside.min(0).tolist() == [0, 0]
    assert inside.max(0).tolist() == [6, 6]
    page.keyboard.press("u")
    page.keyboard.press("d")
    steps = "import('./state.js').then(({ now, view }) => [now.pen, view.study.shape])"
    _, (_, rows, columns) = page.evaluate(steps)
    for way, axis, end in (("ArrowLeft", 0, 0), ("ArrowDown", 1, rows - 1)):
        for _ in range(max(rows, columns) // 5 + 1):
            page.keyboard.press(f"Shift+{way}")
        pen, _ = page.evaluate(steps)  # where the image ends, the pen does
        assert pen[axis] == end
    page.keyboard.press("Escape")
    expect(page.locator("#draw")).to_have_attribute("aria-pressed", "false")
    assert page.locator("#findings button").count() == count
    assert not page.faults


def test_fingers_scroll_and_change_the_window(page: Any) -> None:
    page.focus("#view")
    page.keyboard.press("n")
    before, window = page.inner_text("#place"), page.inner_text("#values")
    box = page.locator("#view").bounding_box()
    x, y = box["x"] + 30, box["y"] + 200
    hand = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": a, "y": b, "id": number} for number, (a, b) in enumerate(points)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    touch("touchStart", (x, y))
    touch("touchMove", (x, y + 24))
    expect(page.locator("#place")).to_have_text("axial, slice 17 of 40")
    assert page.inner_text("#values") == window
    touch("touchMove", (x, y))
    expect(page.locator("#place")).to_have_text(before)
    touch("touchStart", (x, y), (x + 60, y))
    touch("touchMove", (x, y), (x + 120, y + 40))
    touch("touchEnd")
    assert page.inner_text("#values") != window
    expect(page.locator("#place")).to_have_text(before)
    hand.detach()
    assert not page.faults


def test_work_is_cancelled(page: Any) -> None:
    page.focus("#view")
    page.keyboard.press("n")
    before = outline(page)
    # A snap may end before a hand is there: the button is pressed as soon as it is seen.
    page.evaluate(
        """() => {
            const button = document.querySelector('#cancel');
            const press = () => { if (!button.hidden) { seen.disconnect(); button.click(); } };
            const seen = new MutationObserver(press);
            seen.observe(button, { attributes: true });
        }"""
    )
    page.keyboard.press("s")
    expect(page.locator("#said")).to_have_text("The job is cancelled.", timeout=60_000)
    expect(page.locator("#cancel")).to_be_hidden()
    assert np.array_equal(outline(page), before)
    assert not page.faults


def test_a_changed_curve_is_drawn_within_a_tenth_of_a_second(page: Any) -> None:
    """From the key to the curve on the canvas, in the page's own clock."""
    page.focus("#view")
    page.keyboard.press("n")
    page.keyboard.press("Tab")
    spent = page.evaluate(
        """async () => {
            const times = [];
            for (let n = 0; n < 20; n++) {
                const begun = performance.now();
                document.querySelector('#view').dispatchEvent(new KeyboardEvent('keydown',
                    { key: n % 2 ? 'ArrowLeft' : 'ArrowRight', shiftKey: true, bubbles: true }));
                await new Promise((done) => requestAnimationFrame(done));
                times.push(performance.now() - begun);
            }
            return times.sort((a, b) => a - b);
        }"""
    )
    assert spent[0] < 100, spent  # a busy machine adds to it


def test_no_request_leaves_the_server(page: Any, server: Running) -> None:
    outside = [url for url in page.fetched if not url.startswith((server.url, "data:", "blob:"))]
    assert page.fetched
    assert not outside


@pytest.mark.parametrize("width", [1280, 800])
def test_nothing_is_cut_off(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 720})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = page.locator("#view").bounding_box()
    assert box["width"] > 400
    assert box["height"] > 250
    for name in ("#accept", "#save", "#figures tr:last-child"):  # without scrolling
        last = page.locator(name).bounding_box()
        assert last["y"] + last["height"] <= 720
