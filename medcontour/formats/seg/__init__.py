"""DICOM Segmentations, written and read."""
