from .edit_report import EditReport, FindingSliceEdit
from .finding_edit import FindingEdit
from .job import Refined, refine, scan_of
from .picture import write_pictures
from .resume import resume
from .written import check_no_edit, check_out, write_report

__all__ = [
    "EditReport",
    "FindingEdit",
    "FindingSliceEdit",
    "Refined",
    "check_no_edit",
    "check_out",
    "refine",
    "resume",
    "scan_of",
    "write_pictures",
    "write_report",
]
