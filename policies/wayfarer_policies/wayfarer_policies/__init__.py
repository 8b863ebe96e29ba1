"""Policies: how they act, explore and learn, from recorded runs or while these are recorded."""
