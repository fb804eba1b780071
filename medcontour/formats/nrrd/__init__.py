"""3D Slicer segmentations (``.seg.nrrd``), written and read."""
