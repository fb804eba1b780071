"""DICOM RT Structure Sets, written and read."""
