"""The HTML report: one file that a radiologist reads, with nothing fetched and no script."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from medcontour.files import replacing
from medcontour.report import words
from medcontour.report.cards import make_cards
from medcontour.report.pictures import CURVE_COLOURS, check_same_scan
from medcontour.report.strip import make_strip
from medcontour.results.model import Suggestion
from medcontour.scan.scan import Scan

__all__ = ["write_report"]


def write_report(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write one self-contained HTML file: images inside, no script, nothing fetched.

    It opens with a summary, goes on to a strip of score against slice and one card a finding,
    and ends with how the evidence was judged, the settings and the run record. The same
    suggestion and scan give the same bytes. Of the scan's headers nothing is written.

    Parameters
    ----------
    suggestion
        The findings. Their `views` add what the classifier was shown; they may be missing.
    scan
        The scan that the suggestion was made on.
    path
        The file to write; its folder must exist.

    Raises
    ------
    MedcontourError
        When the scan is not the suggestion's, or the file cannot be written.
    """
    check_same_scan(suggestion, scan)
    environment = Environment(
        loader=PackageLoader("medcontour.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["probability"] = words.probability
    environment.filters["p_value"] = words.p_value
    environment.filters["diameter"] = words.diameter
    environment.filters["volume"] = words.volume
    cards = make_cards(suggestion, scan)
    text = environment.get_template("report.html").render(
        suggestion=suggestion,
        scan=scan,
        summary=words.summary(suggestion),
        strip=make_strip(suggestion),
        cards=cards,
        first_cards=[card.number for card in cards if card.largest],
        settings=words.entries(suggestion.settings),
        run=words.entries(suggestion.run),
        colours=CURVE_COLOURS,
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
