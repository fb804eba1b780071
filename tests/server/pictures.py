"""Ten pictures of the page at work, by the page in a real Chromium: those of docs/how-to/page.md.

They are made by ``python tests/server/pictures.py docs/how-to/page``, and at another width by a
second argument: ``python tests/server/pictures.py /tmp/narrow 800``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

for room in (".", "ohif", "server"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / room))

from ohif_viewer import running_chromium  # noqa: E402
from page_hand import drag, outline  # noqa: E402
from playwright.sync_api import expect  # noqa: E402
from server_process import ROOT, running  # noqa: E402

KEY = "a key of enough characters"
SECONDS = 600_000


def _record(page: Any, url: str, shoot: Callable[[str], None]) -> None:
    page.goto(url)
    page.wait_for_selector("#ask[open]")
    shoot("1-key")
    page.fill("#key", KEY)
    page.press("#key", "Enter")
    page.wait_for_selector("#studies option:nth-child(2)", state="attached")
    page.select_option("#studies", label="2: ct_study")
    page.click("#open")
    page.wait_for_selector("#suggest:not([disabled])")
    page.wait_for_timeout(1000)
    shoot("2-scan")
    page.click("#suggest")
    expect(page.locator("#said")).to_contain_text(" of ", timeout=SECONDS)
    shoot("3-progress")
    page.wait_for_selector("#findings button", timeout=SECONDS)
    page.wait_for_timeout(1000)
    shoot("4-findings")
    page.focus("#view")
    page.keyboard.press("z")
    page.wait_for_timeout(500)
    shoot("5-outline")
    before = outline(page)
    drag(page, 45, 10, steps=6)
    assert np.abs(outline(page) - before).max() > 1
    expect(page.locator("#figures")).to_contain_text("the curve as it is", timeout=SECONDS)
    shoot("6-dragged")
    page.keyboard.press("s")
    page.wait_for_selector("#cancel:not([hidden])")
    page.wait_for_selector("#cancel", state="hidden", timeout=SECONDS)
    page.wait_for_timeout(1500)
    shoot("7-snapped")
    page.keyboard.press("u")
    page.keyboard.press("a")
    page.keyboard.press("Control+s")
    expect(page.locator("#said")).to_contain_text("is saved", timeout=SECONDS)
    page.wait_for_timeout(500)
    shoot("8-saved")
    page.keyboard.press("z")
    page.keyboard.press("v")
    page.wait_for_timeout(1500)
    shoot("9-coronal")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    shoot("10-keys")


def main(folder: Path, width: int) -> None:
    """Record into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    studies = str(ROOT / "sample_data")
    with (
        tempfile.TemporaryDirectory() as out,
        running(Path(out) / "out", "--studies", studies, "--slices", "13:15", key=KEY) as server,
        running_chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": width, "height": 720})
        _record(page, server.url, lambda name: page.screenshot(path=folder / f"{name}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1280)
