"""Drivers of the arms, one for each library."""
