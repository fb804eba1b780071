"""What a person reads: overlays as PNG and a self-contained HTML report."""

from medcontour.report.overlays import write_overlays
from medcontour.report.page import write_report
from medcontour.suggestion import Exporter

__all__ = ["overlay_exporter", "report_exporter", "write_overlays", "write_report"]

overlay_exporter = Exporter("overlay", "overlay", write_overlays, lambda _: None, for_people=True)
report_exporter = Exporter("report", "report.html", write_report, lambda _: None, for_people=True)
