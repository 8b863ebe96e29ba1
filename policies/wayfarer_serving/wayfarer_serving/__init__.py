"""A policy in another process.

The protocol by which it is asked, the actor's half and the server's.
"""
