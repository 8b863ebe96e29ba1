"""Datasets in the formats of other learning libraries."""
