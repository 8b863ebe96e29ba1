"""Parameters of the actor node."""

from dataclasses import dataclass

from wayfarer_core.options import ActingOptions, ExternalOptions, TeleopOptions, gripper_width
from wayfarer_core.parameter import param
from wayfarer_policies.algorithms.networks import DEVICES
from wayfarer_policies.exploration.methods import METHODS


@dataclass(frozen=True)
class Params(TeleopOptions, ExternalOptions, ActingOptions):
    """Which policy acts, how it explores, who may take over, and how long it waits."""

    method: str = param(
        "random", "collection method; decides which policy acts", choices=tuple(METHODS)
    )
    checkpoint: str = param("none", "for method offline: the policy, a file of wayfarer train bcq")
    checkpoint_sha256: str = param(
        "none", "what that file must be, as a hex digest; none: anything"
    )
    device: str = param("auto", "where to compute", choices=DEVICES)
    gripper_width: float = gripper_width()
    action_scale: float = param(0.125, "the control node's, for scripted motions [m]", 0.0, 0.2)
    workspace_min: tuple[float, float, float] = param(
        (0.36, -0.35, -0.08), "as control's, for scripted motions [m]", -1.5, 1.5
    )
    workspace_max: tuple[float, float, float] = param(
        (0.80, 0.35, 0.388), "control's, for scripted motions [m]", -1.5, 1.5
    )
    max_age: float = param(0.1, "oldest observation an episode may start from [s]", 0.0, 10.0)
    observation_timeout: float = param(
        10.0,
        "time without an observation, or the weights it waits for, that ends an episode [s]",
        0.1,
        600.0,
    )
