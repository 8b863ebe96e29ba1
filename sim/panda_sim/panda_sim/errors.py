"""Errors in the options or commands of a simulated Panda."""


class PandaSimError(Exception):
    """Root of all errors of this package.

    The message says what was wrong, and what would be right.
    """
