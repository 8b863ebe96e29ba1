"""The box and the arm in it: motions, limits, reflexes, the hand and the model library.

No sockets.
"""
