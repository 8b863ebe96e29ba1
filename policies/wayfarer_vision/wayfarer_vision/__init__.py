"""What a calibrated camera sees.

Its model and calibration, the observation cut from a picture, the cube.
"""
