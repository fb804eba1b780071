"""What the module does that needs no 3D Slicer: a server's findings as curves, edits back."""
