"""DICOMweb: a series from a hospital's archive to files (QIDO-RS, WADO-RS), and objects back to it.

Knows nothing of scans or contours: it moves DICOM objects.
"""

from medcontour.dicomweb.address import Address, is_address, parse_address
from medcontour.dicomweb.faults import Lost
from medcontour.dicomweb.fetch import RemoteSeries, fetched_series, list_remote
from medcontour.dicomweb.search import SeriesQuery, count_images, find_series
from medcontour.dicomweb.store import Stored, store

__all__ = [
    "Address",
    "Lost",
    "RemoteSeries",
    "SeriesQuery",
    "Stored",
    "count_images",
    "fetched_series",
    "find_series",
    "is_address",
    "list_remote",
    "parse_address",
    "store",
]
