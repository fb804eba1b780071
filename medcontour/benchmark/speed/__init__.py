"""What contours cost: presets compared on the same workloads."""
