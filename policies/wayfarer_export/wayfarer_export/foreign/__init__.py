"""Datasets from bags of any topics; a map names the topics, the features and the rate."""
