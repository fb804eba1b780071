from .compare.figures import write_figures
from .compare.randomise import Randomised, randomise, randomise_table, write_randomised
from .compare.record import METRICS, Record, Results
from .compare.run import run
from .compare.table import method_table, summary, write_results
from .data.coco import read_coco
from .data.dataset import Boxes, Dataset, Item, Masks, choose
from .data.folder import Polygon, read_folder
from .data.imagenet import read_imagenet
from .methods import DEFAULT_METHODS, METHODS, Attribution, Explainer, ExtremalContour, method_named
from .speed.measure import Speed, measure_speed
from .speed.scan_slices import scan_runs, scan_workload
from .speed.table import table, write_speed
from .speed.workload import Workload

__all__ = [
    "DEFAULT_METHODS",
    "METHODS",
    "METRICS",
    "Attribution",
    "Boxes",
    "Dataset",
    "Explainer",
    "ExtremalContour",
    "Item",
    "Masks",
    "Polygon",
    "Randomised",
    "Record",
    "Results",
    "Speed",
    "Workload",
    "choose",
    "measure_speed",
    "method_named",
    "method_table",
    "randomise",
    "randomise_table",
    "read_coco",
    "read_folder",
    "read_imagenet",
    "run",
    "scan_runs",
    "scan_workload",
    "summary",
    "table",
    "write_figures",
    "write_randomised",
    "write_results",
    "write_speed",
]
