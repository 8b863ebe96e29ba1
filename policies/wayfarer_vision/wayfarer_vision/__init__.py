"""What a calibrated camera sees: its model and calibration, the observation cut from a picture, the cube."""
