"""Presets, methods and networks compared on the same images by the same protocol."""

from medcontour.benchmark.compare.figures import write_figures
from medcontour.benchmark.compare.randomise import (
    Randomised,
    randomise,
    randomise_table,
    write_randomised,
)
from medcontour.benchmark.compare.record import METRICS, Record, Results
from medcontour.benchmark.compare.run import run
from medcontour.benchmark.compare.table import method_table, summary, write_results
from medcontour.benchmark.data.coco import read_coco
from medcontour.benchmark.data.dataset import Boxes, Dataset, Item, Masks, choose
from medcontour.benchmark.data.folder import Polygon, read_folder
from medcontour.benchmark.data.imagenet import read_imagenet
from medcontour.benchmark.methods import (
    METHODS,
    Attribution,
    Explainer,
    ExtremalContour,
    method_named,
)
from medcontour.benchmark.model import Model, model_of
from medcontour.benchmark.models import load_model
from medcontour.benchmark.photo_input import PhotoInput
from medcontour.benchmark.photograph import (
    Evidence,
    Photograph,
    explain_photograph,
    write_photograph,
)
from medcontour.benchmark.speed.measure import Speed, measure_speed
from medcontour.benchmark.speed.scan_slices import scan_runs, scan_workload
from medcontour.benchmark.speed.table import table, write_speed
from medcontour.benchmark.speed.workload import Workload

__all__ = [
    "METHODS",
    "METRICS",
    "Attribution",
    "Boxes",
    "Dataset",
    "Evidence",
    "Explainer",
    "ExtremalContour",
    "Item",
    "Masks",
    "Model",
    "PhotoInput",
    "Photograph",
    "Polygon",
    "Randomised",
    "Record",
    "Results",
    "Speed",
    "Workload",
    "choose",
    "explain_photograph",
    "load_model",
    "measure_speed",
    "method_named",
    "method_table",
    "model_of",
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
    "write_photograph",
    "write_randomised",
    "write_results",
    "write_speed",
]
