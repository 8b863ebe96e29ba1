"""The base package: plain Python and numpy, imported by every other package of Wayfarer.

It imports nothing of ours.
"""
