"""The bytes of a bag's files.

MCAP or sqlite3, compressed or not, whole or damaged.
"""
