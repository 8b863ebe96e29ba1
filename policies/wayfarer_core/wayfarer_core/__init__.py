"""The ground floor: what every package of Wayfarer stands on, in plain Python and numpy.

It imports nothing of ours.
"""
