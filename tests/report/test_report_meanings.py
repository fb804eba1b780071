"""Each figure of the page leads to what it means, in the documentation's words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from report_page import Report

from medcontour.report.meanings import FIGURES, SAID

DOCS = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "figures.md"


def test_every_figure_of_a_card_leads_to_its_meaning(report: Report) -> None:
    page = report()
    links = [found.get("href", "") for _, found in page.elements]
    led_to = {link.removeprefix("#figure-") for link in links if link.startswith("#figure-")}
    shown = {name for name in FIGURES if name not in ("edge", "diameter", "volume", "status")}
    assert shown <= led_to <= set(FIGURES)
    assert SAID in page.words
    for title, text in FIGURES.values():
        assert f"{title} {text}" in page.words


@pytest.mark.parametrize("text", [text for _, text in FIGURES.values()] + [SAID])
def test_the_documentation_says_the_same(text: str) -> None:
    docs = re.sub(r"\s+", " ", DOCS.read_text(encoding="utf-8").replace("`", ""))
    missing = [part for part in re.split(r"; |\. ", text.rstrip(".")) if part not in docs]
    assert not missing
