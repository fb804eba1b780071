"""The HTML report: one file that a radiologist reads, with nothing fetched and no script."""

from __future__ import annotations

from pathlib import Path

from medcontour.files import replacing
from medcontour.report import words
from medcontour.report.cards import make_cards
from medcontour.report.html import page_templates
from medcontour.report.meanings import FIGURES, SAID
from medcontour.report.montage import make_montage
from medcontour.report.order import rule
from medcontour.report.pictures import CURVE_COLOURS, check_same_scan
from medcontour.report.projections import make_backdrops, make_projections
from medcontour.report.strip import make_strip
from medcontour.report.turning import make_turning
from medcontour.results.model import Suggestion
from medcontour.scan.scan import Scan

__all__ = ["write_report"]


def write_report(suggestion: Suggestion, scan: Scan, path: Path) -> None:
    """Write one self-contained HTML file: images inside, no script, nothing fetched.

    It opens with a summary and goes on to one card a finding, those that deserve a look first at
    the top: its largest slice, where it lies in the patient, all its slices. It ends with a strip
    of score against slice, how the evidence was judged, the settings and the run record. The same
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
    groups = make_cards(suggestion, scan)
    backdrops = make_backdrops(scan) if groups else ()
    text = (
        page_templates()
        .get_template("report.html")
        .render(
            suggestion=suggestion,
            scan=scan,
            research=words.RESEARCH,
            said=SAID,
            figures=FIGURES,
            summary=words.summary(suggestion),
            strip=make_strip(suggestion),
            groups=groups,
            calibrated=any(finding.trust is not None for finding in suggestion.findings),
            look_first=rule(suggestion),
            conformal=[words.conformal(group[0].finding, scan.slices) for group in groups],
            backdrops=backdrops,
            montages=[make_montage(group, scan) for group in groups],
            turnings=[
                make_turning(group[0].finding.evidence_surface, group[0].finding.name)
                for group in groups
            ],
            projections=[make_projections(group[0].finding, scan, backdrops) for group in groups],
            settings=words.entries(suggestion.settings),
            run=words.entries(suggestion.run),
            colours=CURVE_COLOURS,
        )
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
