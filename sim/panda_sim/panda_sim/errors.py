"""What can be wrong with how a simulated Panda is started or told."""


class PandaSimError(Exception):
    """Root of all errors of this package.

    The message says what was wrong, and what would be right.
    """
