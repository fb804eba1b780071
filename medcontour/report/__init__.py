"""What a person reads: overlays as PNG and a self-contained HTML report."""

from medcontour.report.maps import write_map
from medcontour.report.overlays import write_overlays
from medcontour.report.page import write_report
from medcontour.report.photograph import write_photograph
from medcontour.report.robust import write_robustness
from medcontour.results import Exporter

__all__ = [
    "overlay_exporter",
    "report_exporter",
    "write_map",
    "write_overlays",
    "write_photograph",
    "write_report",
    "write_robustness",
]

overlay_exporter = Exporter("overlay", "overlay", write_overlays, lambda _: None, for_people=True)
report_exporter = Exporter("report", "report.html", write_report, lambda _: None, for_people=True)
