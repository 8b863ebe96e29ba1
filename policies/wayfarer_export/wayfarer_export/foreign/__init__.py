"""Datasets from bags of any topics: a map says which become what, and at which rate."""
