"""The root class of every error that Wayfarer raises on purpose."""


class WayfarerError(Exception):
    """An error that the user can correct.

    The message says what was wrong, where, and what would be right.
    """


class ConfigError(WayfarerError):
    """A parameter, argument or configuration file is invalid."""


class DataError(WayfarerError):
    """A bag, run directory or checkpoint is damaged, missing or of another kind."""


class PolicyError(WayfarerError):
    """A policy in another process is gone, late, or sends an invalid action."""


class DeviceError(WayfarerError):
    """A simulator, robot, camera or display backend is missing or does not answer."""
