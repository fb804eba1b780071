"""Coded names in a report: the standard's where there are, else of a scheme of our own."""

from __future__ import annotations

import hashlib

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medcontour.formats.dicom.header import long_string
from medcontour.results.status import Status

__all__ = [
    "AREA",
    "AREA_OF_POLYGON",
    "DELETED",
    "LONG_AXIS",
    "OUTLINE",
    "PRESERVED",
    "P_VALUE",
    "SCHEME",
    "SCORE",
    "SHORT_AXIS",
    "STATUS",
    "STATUSES",
    "SUM_OF_AREAS",
    "SUM_OF_VOXELS",
    "VOLUME",
    "finding_type",
    "scheme_identification",
]

SCHEME = "99MEDCONTOUR"

_SCT = codes.SCT
VOLUME: Code = _SCT.Volume
AREA: Code = _SCT.Area
# How they were measured: CID 7473 and CID 7474 of the standard.
AREA_OF_POLYGON: Code = codes.DCM.AreaOfClosedIrregularPolygon
# (122503's own meaning is longer than the 64 characters that a code's meaning may have.)
SUM_OF_AREAS = Code("122503", "DCM", "Sum of closed areas on contiguous slices method for volume")
SUM_OF_VOXELS: Code = codes.DCM.SumOfSegmentedVoxelMethodForVolume
LONG_AXIS: Code = _SCT.LongAxis
SHORT_AXIS: Code = _SCT.ShortAxis
SCORE: Code = codes.DCM.Probability
OUTLINE: Code = codes.DCM.Outline
PRESERVED = Code("PRESERVED", SCHEME, "Probability with only the evidence kept")
DELETED = Code("DELETED", SCHEME, "Probability with the evidence removed")
P_VALUE = Code("P_VALUE", SCHEME, "p value of the placement test")
STATUS = Code("STATUS", SCHEME, "Status of the finding")
_STATUS_VALUES: dict[Status, str] = {
    "suggested": "SUGGESTED",
    "suggested, deletion keeps the class": "DELETION_KEEPS",
    "drawn by a reader": "DRAWN",
    "no better than random places": "RANDOM",
    "collapsed": "COLLAPSED",
}
STATUSES = {status: Code(value, SCHEME, status) for status, value in _STATUS_VALUES.items()}

_TYPES: dict[str, Code] = {
    "abscess": _SCT.Abscess,
    "adenoma": _SCT.Adenoma,
    "aneurysm": _SCT.Aneurysm,
    "carcinoma": _SCT.Carcinoma,
    "cardiomegaly": _SCT.Cardiomegaly,
    "cyst": _SCT.Cyst,
    "edema": _SCT.Edema,
    "effusion": _SCT.Effusion,
    "embolism": _SCT.Embolism,
    "fibrosis": _SCT.Fibrosis,
    "foreign body": _SCT.ForeignBody,
    # These two are SNOMED CT's own, not in the DICOM standard's lists.
    "fracture": Code("72704001", "SCT", "Fracture"),
    "pneumonia": Code("233604007", "SCT", "Pneumonia"),
    "glioblastoma": _SCT.Glioblastoma,
    "hematoma": _SCT.Hematoma,
    "hemorrhage": _SCT.Hemorrhage,
    "intracranial hemorrhage": _SCT.IntracranialHemorrhage,
    "lesion": _SCT.Lesion,
    "lymphoma": _SCT.Lymphoma,
    "mass": _SCT.Mass,
    "melanoma": _SCT.MalignantMelanoma,
    "metastasis": _SCT.Metastasis,
    "necrosis": _SCT.Necrosis,
    "neoplasm": _SCT.Neoplasm,
    "nodule": _SCT.Nodule,
    "pleural effusion": _SCT.PleuralEffusion,
    "pneumothorax": _SCT.Pneumothorax,
    "pulmonary edema": _SCT.PulmonaryEdema,
    "pulmonary embolism": _SCT.PulmonaryEmbolism,
    "stenosis": _SCT.Stenosis,
    "stroke": _SCT.Stroke,
    "thrombus": _SCT.Thrombus,
    "tumor": _SCT.Tumor,
    "ulcer": _SCT.Ulcer,
}
_AMERICAN = (("tumour", "tumor"), ("haem", "hem"), ("oedema", "edema"))


def finding_type(label: str) -> Code:
    """Give the code of a class: SNOMED CT's for a common name as a whole, else one of our own.

    A part of a name says nothing sure of it (no nodule, benign mass).

    Examples
    --------
    >>> finding_type("Pleural_Effusion").value, finding_type("brain tumour").scheme_designator
    ('60046008', '99MEDCONTOUR')
    >>> finding_type("Tumour").meaning
    'Tumor'
    """
    name = " ".join(label.replace("_", " ").replace("-", " ").lower().split())
    for british, american in _AMERICAN:
        name = name.replace(british, american)
    if name in _TYPES:
        return _TYPES[name]
    digest = hashlib.sha256(label.encode("utf-8", "replace")).hexdigest()[:10].upper()
    return Code(f"CLASS{digest}", SCHEME, long_string(label) or "class")


def scheme_identification() -> Dataset:
    """Say whose scheme our own codes are of (PS3.3 C.12.1.1.7)."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = "Codes of medcontour, listed in its reference of formats"
    return item
