"""NIfTI label maps, written and read."""
