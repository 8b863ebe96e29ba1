"""Recorded runs as one memory-mapped dataset; tools that verify, recover, merge and split runs."""
