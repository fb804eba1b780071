from .job import Learned, learn, learn_with
from .order import NextScan, next_scans

__all__ = ["Learned", "NextScan", "learn", "learn_with", "next_scans"]
