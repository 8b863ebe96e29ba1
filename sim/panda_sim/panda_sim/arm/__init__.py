"""The control box and the arm: motions, limits, reflexes, the hand and the model library.

This package has no sockets.
"""
