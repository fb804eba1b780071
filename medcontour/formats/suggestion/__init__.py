"""A `suggestion.json` whose outlines somebody changed, read only: `results` writes it."""
