"""Watches from episode to episode whether the learning policy saturates. Pure."""

from collections.abc import Mapping

# key of a learner's metrics: share of the policy's outputs that are at their bounds
SATURATED = "policy/saturated"
_DEAD = 0.95
_EPISODES = 3


class PolicyWatch:
    """Warns once when nearly all outputs of the policy have been at their bounds for some
    episodes.

    Such a policy no longer depends on the observation, and has no gradient: it does not
    recover.
    """

    def __init__(self) -> None:
        self._dead_for = 0
        self._warned = False

    def warning(self, metrics: Mapping[str, float]) -> str:
        """Take the metrics of an episode's updates.

        Return a warning, or mostly "".
        """
        saturated = metrics.get(SATURATED)
        if saturated is None:
            return ""

        self._dead_for = self._dead_for + 1 if saturated > _DEAD else 0
        if self._dead_for < _EPISODES or self._warned:
            return ""

        self._warned = True

        return (
            f"the policy is dead: {100 * saturated:.0f} % of its outputs have been at their "
            f"bounds for {_EPISODES} episodes, so it does the same whatever it sees. Begin a new "
            "run with --recipe practical, or with a larger learner.action_penalty and "
            "actor_start (docs/explore.md)"
        )


def in_words(metrics: Mapping[str, float]) -> str:
    """Return metrics as one line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())
