"""Upkeep of recordings: verify, recover, merge, split."""
