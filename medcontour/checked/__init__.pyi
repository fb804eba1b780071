from .job import calibrate, calibrate_with
from .reliability import Interval, Reliability
from .scans import CheckedScan, checked_scans
from .trust_benchmark import TrustBenchmark, benchmark_trust

__all__ = [
    "CheckedScan",
    "Interval",
    "Reliability",
    "TrustBenchmark",
    "benchmark_trust",
    "calibrate",
    "calibrate_with",
    "checked_scans",
]
