"""Methods compared on the same images by the same metrics."""
