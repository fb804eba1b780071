"""DICOM Structured Report (TID 1500): the findings with their regions and measurements."""
