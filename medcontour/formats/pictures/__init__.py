"""Label pictures (PNG), written and read."""
