"""What is taken where nothing else is said; free of PyTorch, for the command line's help."""

__all__ = ["EXPLAINED", "LEAST_AGREEMENT", "LEAST_OUTLINES", "NEXT", "TYPICAL"]

EXPLAINED = 120
"""Images that are explained."""

LEAST_OUTLINES = 8
"""With fewer outlines there is no set to learn from."""

LEAST_AGREEMENT = 0.4
"""Below, networks do not find the outlines again on images that they left out."""

NEXT = 10
"""Scans that are named to be corrected next."""

TYPICAL = 10
"""So many typical scans are corrected before the least certain ones."""
