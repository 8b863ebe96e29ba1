"""One thread for torch."""

from fixtures.replayed import one_thread

__all__ = ["one_thread"]
