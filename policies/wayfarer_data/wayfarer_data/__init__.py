"""Data to learn from: recorded runs as one memory-mapped dataset, checked, mended, and exported."""
