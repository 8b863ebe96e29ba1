"""Servers: the box and the hand over TCP and UDP, and a console for tests."""
