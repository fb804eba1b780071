"""What trains, checks and writes the bundle ``breast_us_classifier``."""
