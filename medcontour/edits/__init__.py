"""The way back: reads what a reader edited, measures it, and goes on from it."""

from medcontour.contour.measures import Figures
from medcontour.contour.polygons import deviation_mm
from medcontour.edits.edit_report import EditReport, FindingEdit
from medcontour.edits.job import Refined, refine, scan_of
from medcontour.edits.picture import write_pictures
from medcontour.edits.resume import resume
from medcontour.edits.written import check_out, write_report
from medcontour.formats.reader import read_edited
from medcontour.formats.shapes import Edited, EditedShape

__all__ = [
    "EditReport",
    "Edited",
    "EditedShape",
    "Figures",
    "FindingEdit",
    "Refined",
    "check_out",
    "deviation_mm",
    "read_edited",
    "refine",
    "resume",
    "scan_of",
    "write_pictures",
    "write_report",
]
