"""Vision with a calibrated camera: its model, its calibration, observations, the cube tracker."""
