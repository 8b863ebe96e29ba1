"""A simulated Panda.

Its control box, at the wire, for any client of libfranka 0.9 (FCI server version 5).
"""
