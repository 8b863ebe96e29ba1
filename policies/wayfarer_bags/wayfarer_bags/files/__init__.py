"""What lies in a bag's files, byte by byte.

MCAP or sqlite3, compressed or not, whole or damaged.
"""
