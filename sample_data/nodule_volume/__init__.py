"""What trains, checks and describes the bundle ``nodule_volume_classifier``."""
