"""Options of learner, actor and novelty, each with its meaning, unit and range.

The defaults are the paper's values (`recipe: paper`). `launch/config/recipe_*.yaml` combine the
options; a node's parameters, `run.yaml` and the checkpoints keep them.
"""

from dataclasses import dataclass
from typing import Any

from wayfarer_core.errors import ConfigError
from wayfarer_core.parameter import param
from wayfarer_core.targets import CLOSED, WIDEST

REACHED = ("step", "image")
AFTER_ARRIVAL = ("continue", "play", "return")
WHITENING = ("fits", "episodes")
NO_SERVER = "none"  # in place of an address
ANY_POLICY = "none"  # in place of a name
NO_DEVICE, KEYBOARD = "none", "keyboard"
DEVICES = (KEYBOARD, "gamepad", "spacemouse", "topic")


def gripper_width() -> Any:
    """Describe the parameter that makes the gripper a part of the action."""
    return param(
        CLOSED,
        "width that the gripper opens to [m]; 0: it stays closed, and an action has three numbers",
        CLOSED,
        WIDEST,
    )


@dataclass(frozen=True, kw_only=True)  # so that a bridge's required parameters may follow
class GripperOptions:
    """How a bridge moves a gripper that is part of the action."""

    gripper_width: float = gripper_width()
    gripper_speed: float = param(0.1, "of the gripper's width while it moves [m/s]", 0.005, 0.2)
    gripper_force: float = param(
        0.0, "of a grip; must be given where gripper_width is not 0 [N]", 0.0, 70.0
    )

    def has_gripper(self) -> bool:
        """Say whether the gripper is part of the action.

        Raises ConfigError where it is and nobody has said how hard it grips.
        """
        if self.gripper_width == CLOSED:
            return False
        if self.gripper_force == 0.0:
            raise ConfigError(
                "node franka_bridge: gripper_force must be given where gripper_width is not 0: how "
                "hard the gripper grips [N], section /**/franka_bridge"
            )

        return True


@dataclass(frozen=True)
class LearnerOptions:
    """How TD3 learns, and from which goals."""

    ee_position: bool = param(False, "give actor and critics the end effector's position")
    goal_ee_position: bool = param(
        False, "give them the end effector's position in the goal image, too"
    )
    workspace_min: tuple[float, float, float] = param(
        (-1.0, -1.0, -1.0),
        "corner that these positions are scaled by: control's workspace [m]",
        -1.5,
        1.5,
    )
    workspace_max: tuple[float, float, float] = param(
        (1.0, 1.0, 1.0),
        "corner that these positions are scaled by: control's workspace [m]",
        -1.5,
        1.5,
    )
    gripper_width: float = gripper_width()
    updates_per_step: float = param(
        1.0, "updates after an episode, for each of its steps", 0.001, 100.0
    )
    layer_norm: bool = param(
        False, "put layer normalisation and tanh, not relu, behind the encoder's dense layer"
    )
    action_penalty: float = param(
        0.0, "weight of the mean squared action before its tanh in the actor's loss", 0.0, 10
    )
    actor_start: int = param(
        0, "updates of the critics before the actor is trained", 0, 1_000_000_000
    )
    critic_learning_rate: float = param(1e-4, "Adam's, of critics and encoder", 1e-7, 1.0)
    actor_learning_rate: float = param(1e-4, "Adam's, of the actor", 1e-7, 1.0)
    tau: float = param(0.005, "share by which the target networks follow in each update", 0.0, 1.0)
    lookahead: int = param(
        1, "of relabelled goals: steps of reward before the critics' estimate (n-step)", 1, 50
    )
    self_goals: float = param(0.04, "share of goals that are the state itself, p", 0.0, 1.0)
    near_goals: float = param(
        0.0, "share of goals near in time; the others are uniform over the rest", 0.0, 1.0
    )
    near_steps: float = param(
        5.0, "mean distance of the near goals, geometrically distributed [steps]", 1.0, 1000.0
    )
    reached: str = param(
        "step", "a goal is reached at its own step, or where the image is near", choices=REACHED
    )
    reached_distance: float = param(
        0.5, "for reached image: mean difference that is near [grey levels]", 0.0, 255.0
    )


@dataclass(frozen=True)
class NoveltyOptions:
    """How RND learns, and how it chooses the goal."""

    learning_rate: float = param(1e-4, "Adam's, of the predictor", 1e-7, 1.0)
    batch: int = param(500, "images in a gradient step", 1, 100_000)
    whitening: str = param(
        "fits", "when the images' mean and spread are updated", choices=WHITENING
    )
    top_share: float = param(
        0.0, "draw the goal from this share of the most novel images; 0: the most novel", 0.0, 1.0
    )


@dataclass(frozen=True)
class ActingOptions:
    """How a learned policy explores."""

    random_steps: int = param(
        1_000, "uniformly random steps before a learned policy acts", 0, 10_000_000
    )
    noise_start: float = param(1.5, "exploration noise at step 0, std [action units]", 0.0, 10.0)
    noise_end: float = param(
        0.5, "exploration noise from noise_steps on, std [action units]", 0.0, 10.0
    )
    noise_steps: int = param(
        300_000, "steps over which the noise goes from start to end", 1, 100_000_000
    )
    random_share: float = param(0.0, "share of actions that are uniformly random", 0.0, 1.0)
    after_arrival: str = param(
        "continue",
        "at the goal: continue as before, play at random, or play and return",
        choices=AFTER_ARRIVAL,
    )
    arrival_distance: float = param(
        0.06, "from the goal's end effector that counts as arrived [m]", 0.0, 1.0
    )
    play_steps: int = param(6, "random actions before it returns", 1, 100_000)
    play_from: float = param(
        1.0, "share of the episode from which on it plays at random; 1: never", 0.0, 1.0
    )


@dataclass(frozen=True)
class ExternalOptions:
    """Which policy server the actor asks, and how long an answer may take."""

    policy_address: str = param(
        NO_SERVER, "for method external: the policy server, HOST:PORT on this machine"
    )
    policy_name: str = param(ANY_POLICY, "what it must call its policy; none: anything")
    policy_timeout: float = param(
        0.4, "time it has for an answer: less than a control period [s]", 0.001, 600.0
    )
    policy_actions: int = param(0, "actions of each chunk that are carried out; 0: all", 0, 1000)


@dataclass(frozen=True)
class TeleopOptions:
    """Whether a person may take over, and how long a person's command is valid."""

    teleop_device: str = param(
        NO_DEVICE, "what a person takes over with", choices=(NO_DEVICE, *DEVICES)
    )
    command_age: float = param(
        0.2,
        "oldest teleop/command that moves the arm; half a control period or less [s]",
        0.01,
        2.0,
    )
    device_timeout: float = param(
        1.0, "silence on teleop/command after which the device is lost [s]", 0.1, 60.0
    )
