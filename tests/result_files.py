"""What a result folder holds."""

from __future__ import annotations

OF_DICOM = {
    "suggestion.json",
    "labelmap.nii.gz",
    "labelmap.txt",
    "segmentation.seg.nrrd",
    "markups",
    "overlay",
    "report.html",
    "seg.dcm",
    "rtstruct.dcm",
    "sr.dcm",
}
"""Of a DICOM series, where no formats are named."""
