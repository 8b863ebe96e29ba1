"""A policy from a file that `wayfarer train bcq` wrote.

The actor node acts with it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.layout import channels_first

from wayfarer_policies.acting.policy import Action, Image, RobotState, Start
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import one_observation
from wayfarer_policies.algorithms.bcq import ACTING_CANDIDATES, choose, draw_latents
from wayfarer_policies.algorithms.bcq_networks import (
    BCQNetworks,
    Description,
    networks_of,
    networks_state,
)
from wayfarer_policies.algorithms.checkpoint import State

KIND = "offline policy"
ANY = "none"  # instead of a digest: accept any file


@dataclass(frozen=True)
class PolicyFile:
    """The content of a policy file."""

    networks: BCQNetworks
    task: str
    updates: int
    about: dict[str, Any]  # JSON values: task, updates, seed, data
    sha256: str  # hex digest of the file


def write_policy(
    file: Path, description: Description, networks: nn.Module, about: dict[str, Any]
) -> None:
    """Write the weights with all that is needed to act with them, and a description of their
    training.
    """
    state = networks_state(description, networks)
    checkpoint.write(file, KIND, State(state.tensors, {**state.values, "about": about}))


def read_policy(file: Path, sha256: str = ANY) -> PolicyFile:
    """Read a policy.

    DataError if it is missing, damaged, another kind of file, or does not match the digest.
    """
    if not file.is_file():
        raise DataError(f"there is no policy {file}; `wayfarer train bcq` makes one")

    data = file.read_bytes()
    digest = checkpoint.digest(data)
    if sha256 not in (ANY, digest):
        raise DataError(
            f"{file}: SHA-256 is {digest}, announced was {sha256}: it has been written anew since"
        )

    state = checkpoint.from_bytes(data, KIND, str(file))
    about = state.value("about")

    return PolicyFile(networks_of(state), about["task"], int(about["updates"]), about, digest)


class OfflinePolicy:
    """BCQ's policy: it draws proposals and takes the one with the highest value.

    It adds no noise.
    """

    needs_joints = False

    def __init__(self, file: PolicyFile, size: int = 3) -> None:
        """`size` is how many numbers an action has. ConfigError where the policy's have others."""
        own = file.networks.heads.actions
        if own != size:
            raise ConfigError(
                f"this policy's actions have {own} numbers, the run's {size}: gripper_width must "
                "be as in the runs it was learned from"
            )

        self._networks, self._version = file.networks, file.updates

    @property
    def version(self) -> int:
        """Number of updates of the weights."""
        return self._version

    @property
    def needs_pose(self) -> bool:
        """Whether it needs the end effector's position at the image's time."""
        return self._networks.encoder_config.ee_position

    def begin_episode(self, start: Start) -> None:
        """Take the episode's random generator for the proposals.

        This policy ignores goals.
        """
        self._rng = start.rng

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return the action (A,) for an image (84, 84, 3)."""
        pixels = channels_first(image)
        channels = self._networks.encoder_config.channels
        seen = one_observation(pixels, None, robot.ee_position, channels)

        return choose(
            self._networks,
            seen,
            draw_latents(self._rng, ACTING_CANDIDATES, self._networks.heads),
        )
