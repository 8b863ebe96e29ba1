"""The policy of the running learner, with its exploration options."""

import numpy as np
import torch
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError
from wayfarer_core.options import ActingOptions
from wayfarer_data.cache.layout import channels_first

from wayfarer_policies.acting.policy import Action, Image, RobotState, Start
from wayfarer_policies.acting.schedules import GaussianNoise, LinearSchedule
from wayfarer_policies.algorithms.algorithm import GoalPixels, one_observation
from wayfarer_policies.algorithms.networks import Actor


class LearnedPolicy:
    """Acts with the learner's newest weights, and explores.

    Its actions are uniformly random until there are weights, and during a run's first steps.

    Then it goes to the goal with noise. The options say what it does at the goal, or from some part
    of the episode on.
    """

    needs_joints = False

    def __init__(self, options: ActingOptions, device: str = "cpu", size: int = 3) -> None:
        """`size` is how many numbers an action has."""
        self._options, self._device, self._size = options, torch.device(device), size
        noise = LinearSchedule(options.noise_start, options.noise_end, options.noise_steps)
        self._noise = GaussianNoise(noise)
        self._actor: Actor | None = None
        self._next: tuple[Actor, int] | None = None
        self._version = 0

    @property
    def version(self) -> int:
        """Version of the weights in this episode."""
        return self._version

    @property
    def needs_pose(self) -> bool:
        """Whether it needs the end effector's position at the image's time."""
        asked = self._next[0] if self._next is not None else self._actor
        sees = asked is not None and asked.encoder.config.ee_position
        return sees or self._options.after_arrival != "continue"

    def offer(self, actor: Actor, version: int) -> None:
        """Take new weights; they act from the next episode on.

        Raises ConfigError where their actions are not of the run's size.
        """
        if actor.heads.actions != self._size:
            raise ConfigError(
                f"the weights act with {actor.heads.actions} numbers, an action has "
                f"{self._size}: give learner and actor the same gripper_width"
            )

        self._next = (actor.to(self._device), version)

    def begin_episode(self, start: Start) -> None:
        """Swap in the newest weights."""
        if self._next is not None:
            self._actor, self._version = self._next

        self._start, self._taken, self._playing = start, 0, 0
        goal = start.goal
        self._goal = (
            None if goal is None else GoalPixels(channels_first(goal.image), goal.ee_position)
        )

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return pi(s, g), with the noise of this step when exploring, or a random action if the
        options ask for one.
        """
        taken, self._taken = self._taken, self._taken + 1
        step, explore, rng = self._start.first_step + taken, self._start.explore, self._start.rng

        early = explore and step < self._options.random_steps
        if self._actor is None or early or (explore and self._plays(taken, robot.ee_position)):
            return rng.uniform(-1.0, 1.0, self._size).astype(np.float32)

        channels = self._actor.encoder.config.channels
        seen = one_observation(channels_first(image), self._goal, robot.ee_position, channels)
        with torch.no_grad():
            action: Action = self._actor(seen.to(self._device))[0].cpu().numpy()  # (A,)

        if not explore:
            return action

        low, high = self._actor.head.low.cpu().numpy(), self._actor.head.high.cpu().numpy()

        return self._noise(action, (low, high), step, rng)

    def _plays(self, taken: int, ee_position: NDArray[np.float64]) -> bool:
        """Say whether this action is random instead of the policy's."""
        options = self._options
        if taken >= options.play_from * self._start.steps:
            return True

        if (
            self._playing == 0
            and options.after_arrival != "continue"
            and self._arrived(ee_position)
        ):
            self._playing = (
                options.play_steps if options.after_arrival == "return" else self._start.steps
            )

        if self._playing > 0:
            self._playing -= 1
            return True

        return options.random_share > 0.0 and self._start.rng.random() < options.random_share

    def _arrived(self, ee_position: NDArray[np.float64]) -> bool:
        goal = self._start.goal
        return goal is not None and bool(
            np.linalg.norm(goal.ee_position - ee_position) <= self._options.arrival_distance
        )
