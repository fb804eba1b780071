"""DICOM Parametric Map: where the evidence lies, as numbers on the images."""
