"""The prebuilt OHIF viewer beside a real Orthanc, as docs/how-to/ohif.md says, in a real Chromium.

The picture in the docs is made by ``python tests/ohif/ohif_viewer.py OUT docs/how-to/ohif.png``:
OUT is what ``medcontour suggest sample_data/ct_study`` wrote, and MEDCONTOUR_OHIF the viewer's
folder.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright

import medcontour as mc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))

from orthanc_server import Orthanc, running_orthanc  # noqa: E402

SLICE = 14  # of the sample study: a nodule well off the middle
FLAGS = [
    "--use-gl=angle",  # WebGL without a graphics card
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


@contextmanager
def running_ohif(folder: Path, studies: dict[Path, Path]) -> Iterator[str]:
    """Serve OHIF beside an Orthanc with studies and their pushed results; give the address."""
    with running_orthanc(folder / "orthanc") as orthanc:
        for study, results in studies.items():
            for path in study.glob("*.dcm"):
                orthanc.store(path)
            assert mc.push(results, f"dicomweb+{orthanc.dicomweb}")
        with _running_nginx(folder, orthanc) as address:
            yield address


def _from_docs(language: str) -> str:
    page = (ROOT / "docs" / "how-to" / "ohif.md").read_text()
    (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.S)
    return block


@contextmanager
def _running_nginx(folder: Path, orthanc: Orthanc) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    site = _from_docs("nginx")
    for ours, here in {
        "127.0.0.1:3000": address,
        "127.0.0.1:8042": f"127.0.0.1:{orthanc.port}",
        "/srv/ohif/dist": os.environ["MEDCONTOUR_OHIF"],
        "/etc/ohif/app-config.js": str(folder / "app-config.js"),
    }.items():
        assert ours in site
        site = site.replace(ours, here)
    (folder / "app-config.js").write_text(_from_docs("js"))
    kept = "".join(
        f"{kind}_temp_path {folder / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # As root, nginx would read files as a user who may not enter the test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder / 'nginx.pid'}; events {{}}\n"
        f"http {{ include /etc/nginx/mime.types; access_log off; {kept}\n{site}}}\n"
    )
    with (folder / "nginx.log").open("wb") as log:
        nginx = subprocess.Popen(
            ["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"],
            stderr=log,
        )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/dicom-web/studies", timeout=30).close()
                break
            except OSError:
                if nginx.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((folder / "nginx.log").read_text()) from None
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        nginx.terminate()
        nginx.wait(timeout=30)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS, chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def entered(
    browser: Browser, address: str, study: str, mode: str, width: int, height: int
) -> Iterator[tuple[Page, list[str]]]:
    """Enter the study in a mode (a part of the address); give what was asked for too."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(120_000)
    context.add_init_script("localStorage.setItem('shownTours', '[\"basicViewerTour\"]')")
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(f"{address}/{mode}?StudyInstanceUIDs={study}")
        page.get_by_text("Confirm and hide").click()  # "for investigational use only"
        settled(page)  # a double click while the viewport is being filled breaks OHIF's page
        yield page, asked
    finally:
        context.close()


@contextmanager
def opened(
    browser: Browser, address: str, study: str, modality: str, width: int, height: int
) -> Iterator[tuple[Page, list[str]]]:
    """Open the study's series of this modality as a reader does; give what was asked for too."""
    with entered(browser, address, study, "viewer", width, height) as (page, asked):
        listed = listing(page, modality)
        if modality == "SR":
            _until_shown(page, listed, page.locator("svg text", has_text="Long axis"))
        else:
            listed.dblclick()
            page.get_by_text("Yes", exact=True).click()
            page.get_by_text("Yes", exact=True).wait_for(state="detached")
            page.locator("[data-cy=panelSegmentation-btn]").click()
            page.get_by_text("Segmentations", exact=True).wait_for()
        yield page, asked


def listing(page: Page, modality: str) -> Locator:
    """Give the study's entries of a modality that has no images."""
    return page.locator("[data-cy=study-browser-thumbnail-no-image]").filter(has_text=modality)


def _until_shown(page: Page, entry: Locator, words: Locator) -> None:
    """Open an entry until its words are drawn, three times at most; else say what is there."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for _ in range(3):
        entry.dblclick()
        try:
            return words.first.wait_for(timeout=60_000)
        except TimeoutError:
            said.append("Nothing was drawn within a minute.")
            page.reload()
            settled(page)
    seen = page.locator("body").inner_text()
    raise AssertionError("\n".join(["OHIF does not draw it.", seen, *said[-20:]]))


def show(page: Page, instance: str) -> None:
    """Go to the slice of this SOP instance UID."""
    page.evaluate(
        """async uid => {
            const { viewport } = cornerstone.getEnabledElements()[0];
            const index = viewport.getImageIds().findIndex(id => id.includes(uid + '/'));
            await viewport.setImageIdIndex(index);
        }""",
        instance,
    )
    settled(page)


def settled(page: Page) -> None:
    """Wait until the picture stays as it is."""
    pictures = [page.screenshot()]
    while len(pictures) < 4 or len(set(pictures[-4:])) > 1:
        assert len(pictures) < 100
        page.wait_for_timeout(500)
        pictures.append(page.screenshot())


def viewport(page: Page) -> np.ndarray:
    """(rows, columns, 3): what the screen shows where the image is, with what is drawn over it."""
    shot = page.locator(".cornerstone-canvas").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def _picture(out: Path, path: Path, scratch: Path) -> None:
    study, scan = ROOT / "sample_data/ct_study", mc.Suggestion.read_json(out).scan
    instance = mc.read_scan(study).sop_instance_uids[SLICE]
    pictures = []
    with running_ohif(scratch, {study: out}) as address, running_chromium() as browser:
        for modality in ("RTSTRUCT", "SEG"):
            where = (address, scan.study_instance_uid, modality)
            with opened(browser, *where, width=1280, height=680) as (page, _):
                show(page, instance)
                pictures.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    sheet = Image.new("RGB", (1280, 700 * len(pictures) - 20), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (0, number * 700))
    sheet.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        _picture(Path(sys.argv[1]), Path(sys.argv[2]), Path(scratch))
