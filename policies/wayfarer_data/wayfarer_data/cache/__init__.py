"""The frame cache and what is drawn from it.

The replay buffer of a run, and datasets of several.
"""
