"""The report in a browser."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report_page import Page

from medcontour.report import write_report
from medcontour.results import make_finding

OUTLINE = (0x56, 0xB4, 0xE9)


def chromium(tmp_path: Path, page: Path, *arguments: str) -> str:
    """Open a page and give standard output; anything on the page's console fails."""
    done = subprocess.run(
        [
            shutil.which("chromium") or "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            f"--user-data-dir={tmp_path / 'profile'}",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    return done.stdout


def framed(report: Path, width: int, script: str) -> Path:
    """Write a page that shows the report in a frame and leaves what `script` finds in its title.

    A frame, since a headless window has a least width that a phone's is below.
    """
    path = report.with_name(f"framed-{width}.html")
    path.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><title></title><body style="margin:0">'
        f'<iframe style="border:0;width:{width}px;height:1700px" '
        f'srcdoc="{html.escape(report.read_text(encoding="utf-8"))}"></iframe>'
        f"<script>onload = () => {{ const d = document.querySelector('iframe').contentDocument;"
        f"document.title = JSON.stringify({script}); }}</script>",
        encoding="utf-8",
    )
    return path


def found_by(tmp_path: Path, page: Path) -> list[float]:
    dom = chromium(tmp_path, page, "--dump-dom")
    title = re.search("<title>(.*?)</title>", dom)
    assert title
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", title[1])]


def looked_at(tmp_path: Path, path: Path, script: str) -> tuple[list[float], Any]:
    """What a script finds on the page 1100 pixels wide, and (rows, columns, 3) its picture."""
    page = framed(path, 1100, script)
    found = found_by(tmp_path, page)
    chromium(tmp_path, page, f"--screenshot={tmp_path / 'shot.png'}", "--window-size=1100,1700")
    shot = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB")).astype(int)
    return found, shot


@pytest.mark.browser
def test_drawn_curves_lie_where_they_should(small_case: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(small_case.suggestion, small_case.scan, path)
    corners = (
        "[...d.querySelectorAll('svg.panel')].flatMap(e => {"
        "const m = e.getScreenCTM(); return [m.a, m.d, m.e, m.f]; })"
    )
    found, shot = looked_at(tmp_path, path, corners)
    panels = np.array(found).reshape(-1, 4)
    assert len(np.unique(shot.reshape(-1, 3), axis=0)) > 100
    boxes = [
        [float(n) for n in found["viewbox"].split()]
        for found in Page(path.read_text(encoding="utf-8")).all("svg", class_="panel")
    ]
    y, x = np.nonzero(np.abs(shot - OUTLINE).max(-1) < 30)
    pixels = np.stack([x, y], -1) + 0.5
    assert len(panels) == len(boxes) == 2
    for (across, down, left, top), (x0, y0, width, height) in zip(panels, boxes, strict=True):
        assert across == pytest.approx(down)  # millimetres are square on the screen
        points = (pixels - (left, top)) / across
        points = points[((points > (x0, y0)) & (points < (x0 + width, y0 + height))).all(1)]
        distance = small_case.outline.distance(points) * across
        assert len(points) > 30
        assert np.abs(distance).max() < 1.7
        shift = (points.min(0) + points.max(0)) / 2
        true = small_case.outline.points(2000)
        assert np.abs(shift - (true.min(0) + true.max(0)) / 2).max() * across < 1.0


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 390, 800])
def test_nothing_sticks_out_sideways(small_case: Any, tmp_path: Path, width: int) -> None:
    good = small_case.suggestion.slices[0]
    weak = replace(good, status="no better than random places", label="x" * 60, note="y" * 80)
    suggestion = small_case.with_findings(good, weak)
    path = tmp_path / "report.html"
    write_report(suggestion, small_case.scan, path)
    page = framed(path, width, "[d.documentElement.scrollWidth, d.querySelectorAll('*').length]")
    wide, elements = found_by(tmp_path, page)
    assert elements > 100
    assert wide <= width


@pytest.mark.browser
def test_small_pictures_show_their_curves_and_places(
    small_case: Any, contour_of: Any, tmp_path: Path
) -> None:
    """What the page holds once and shows often is drawn, also where it lies in a folded card."""
    parts = [
        replace(
            small_case.suggestion.slices[0],
            slice=k,
            outlines=(contour_of("outline", small_case.outline, small_case.scan, k),),
            evidence_contours=(),
            views=None,
        )
        for k in range(3)
    ]
    finding = make_finding(parts, 1, small_case.scan)
    path = tmp_path / "report.html"
    write_report(replace(small_case.suggestion, findings=(finding,)), small_case.scan, path)
    where = (
        "[...d.querySelectorAll('svg.thumbnail, svg.projection')].flatMap(e => {"
        "const m = e.getScreenCTM(); return [m.a, m.e, m.f]; })"
    )
    found, shot = looked_at(tmp_path, path, where)
    shown = np.array(found).reshape(-1, 3)
    held = Page(path.read_text(encoding="utf-8"))
    pictures = [*held.all("svg", class_="thumbnail"), *held.all("svg", class_="projection")]
    areas = [
        re.findall(r"[-\d.e]+,[-\d.e]+", item["d"])
        for item in held.all("path", class_="lies of-outline")
    ]
    projected = [np.array([point.split(",") for point in area], float) for area in areas]
    truths = [small_case.outline.points(2000)] * 3 + projected
    assert len(pictures) == len(shown) == len(truths) == 6
    for (scale, left, top), found, truth in zip(shown, pictures, truths, strict=True):
        x0, y0, width, height = (float(n) for n in found["viewbox"].split())
        corner = np.rint([left + x0 * scale, top + y0 * scale]).astype(int)
        size = np.rint([width * scale, height * scale]).astype(int)
        cut = shot[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]]
        y, x = np.nonzero(np.abs(cut - OUTLINE).max(-1) < 30)
        points = (np.stack([x, y], -1) + 0.5) / scale + (x0, y0)
        assert len(points) > 10
        middle, true = ((p.min(0) + p.max(0)) / 2 for p in (points, truth))
        assert np.abs(middle - true).max() * scale < 1.5
