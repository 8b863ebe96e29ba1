"""Numbers of runs, read from their bags."""
