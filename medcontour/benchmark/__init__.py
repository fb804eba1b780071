"""Presets, methods and networks compared on the same images by the same protocol."""

from medcontour.benchmark.speed import Speed, measure_overhead, measure_speed, measure_warm_start
from medcontour.benchmark.table import table, write_speed
from medcontour.benchmark.work import Work, find_work, slice_runs

__all__ = [
    "Speed",
    "Work",
    "find_work",
    "measure_overhead",
    "measure_speed",
    "measure_warm_start",
    "slice_runs",
    "table",
    "write_speed",
]
