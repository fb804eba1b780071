"""What is asked of a contour that was found: placement, polarity, area maps, stability."""
