"""Small episodes and buffers."""

from fixtures.replayed import make_replay, make_trajectory, one_thread

__all__ = ["make_replay", "make_trajectory", "one_thread"]
