"""Figures about a collection while it runs."""
