"""The way back: reads what a reader edited, measures it, and goes on from it."""

from medcontour.contour.figures import Figures
from medcontour.contour.regions import deviation_mm
from medcontour.refine.edit_report import EditReport, FindingEdit
from medcontour.refine.job import Refined, refine, scan_of
from medcontour.refine.picture import write_pictures
from medcontour.refine.read import read_edited
from medcontour.refine.resume import resume
from medcontour.refine.shapes import Edited, EditedShape
from medcontour.refine.written import write_report

__all__ = [
    "EditReport",
    "Edited",
    "EditedShape",
    "Figures",
    "FindingEdit",
    "Refined",
    "deviation_mm",
    "read_edited",
    "refine",
    "resume",
    "scan_of",
    "write_pictures",
    "write_report",
]
