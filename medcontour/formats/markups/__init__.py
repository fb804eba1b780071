"""3D Slicer curves (``.mrk.json``), written and read."""
