"""The search for contours: starts, the two searches, presets, several contours, areas."""
