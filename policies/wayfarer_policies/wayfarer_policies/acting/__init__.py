"""Policies: they answer an observation with an action."""
