"""The parts of the app."""
