"""The methods of the paper as choices of parts: policy, goal choice, source of reward.

Only names: `making` builds the parts. So a command that only names a method starts without torch.
"""

from dataclasses import dataclass
from pathlib import Path

from wayfarer_core.errors import ConfigError


@dataclass(frozen=True)
class Method:
    """The parts of a method."""

    policy: str  # of making.POLICIES
    goal_choice: str = ""  # of goals.CHOICES; "": no goals
    labels: str = ""  # of making.LABELS, the source of the learner's reward; "": nothing is learned
    explores: bool = True  # true: acts to gather data; false: acts as well as it can
    # a person acts: the device is required, and the person starts each episode
    by_hand: bool = False

    @property
    def learns(self) -> bool:
        """Whether it has a learner and a novelty."""
        return bool(self.labels)


METHODS = {
    "goal": Method("learned", "max", "future goals"),
    "goal-random": Method("learned", "random", "future goals"),
    "goal-min": Method("learned", "min", "future goals"),
    "rnd": Method("learned", "", "intrinsic reward"),
    "random": Method("random"),
    "random-correlated": Method("random-correlated"),
    "offline": Method("offline", explores=False),
    "external": Method("external", explores=False),
    "teleop": Method("still", explores=False, by_hand=True),
}


def method(name: str) -> Method:
    """Return the method of that name; ConfigError lists the names."""
    if name not in METHODS:
        raise ConfigError(f"method {name!r}: choose from {', '.join(METHODS)}")
    return METHODS[name]


def learner_file(run: Path) -> Path:
    """Return where a run's learner is saved."""
    return run / "checkpoints" / "learner.safetensors"


def novelty_file(run: Path) -> Path:
    """Return where a run's RND is saved."""
    return run / "checkpoints" / "novelty.safetensors"
