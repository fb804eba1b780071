"""Objectives: what a contour is to keep and to take away."""
