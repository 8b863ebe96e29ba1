"""The root of every error Wayfarer raises on purpose."""


class WayfarerError(Exception):
    """Something the user can put right.

    The message says what was wrong, where, and what would be right.
    """


class ConfigError(WayfarerError):
    """A parameter, argument or configuration file is not what it must be."""


class DataError(WayfarerError):
    """A bag, run directory or checkpoint is damaged, missing or of another kind."""


class PolicyError(WayfarerError):
    """A policy in another process is gone, late, or answers with what is no action."""


class DeviceError(WayfarerError):
    """A simulator, robot, camera or display backend is missing or does not answer."""
