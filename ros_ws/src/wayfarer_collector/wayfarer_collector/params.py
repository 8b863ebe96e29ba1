"""Parameters of the collector node."""

from dataclasses import dataclass

from wayfarer_core.parameter import param
from wayfarer_policies.acting.scripts import SCRIPTS
from wayfarer_policies.exploration.methods import METHODS

SCHEDULES = ("sequential", "overlapped")
SCENES = ("none", "operator", *SCRIPTS)


@dataclass(frozen=True)
class Params:
    """What is collected, and how long it waits for the others."""

    run: str = param("", "directory of the run, the replay node's")
    method: str = param("random", "how data is collected", choices=tuple(METHODS))
    schedule: str = param(
        "sequential", "learn after each episode, or while the next runs", choices=SCHEDULES
    )
    episodes: int = param(8, "episodes the run shall hold in the end", 1, 1_000_000)
    episodes_per_cycle: int = param(10, "episodes after which the novelty is fitted, M", 1, 100_000)
    epochs: int = param(4, "epochs of each fit, K", 1, 1000)
    candidates: int = param(
        0, "stored images that a goal is chosen from; 0: those of a cycle, M T", 0, 10_000_000
    )
    steps: int = param(200, "actions, and updates, per episode, T", 1, 100_000)
    seed: int = param(0, "seed of policy and world", 0, 2**63 - 1)
    bridge: str = param("sim_bridge", "name of the robot's bridge node")
    wrist: bool = param(False, "there is a camera in the hand: the node wrist_camera is waited for")
    startup_timeout: float = param(120.0, "wait for all nodes to be connected [s]", 1.0, 3600.0)
    service_timeout: float = param(60.0, "wait for a reset or a service [s]", 0.1, 3600.0)
    step_timeout: float = param(30.0, "longest step of an episode [s]", 0.1, 3600.0)
    update_timeout: float = param(10.0, "longest update of the learner [s]", 0.1, 3600.0)
    fit_timeout: float = param(600.0, "longest fit of the novelty [s]", 1.0, 36000.0)
    scene_reset: str = param("none", "who puts the scene back before an episode", choices=SCENES)
    scene_timeout: float = param(600.0, "wait for an operator to put the scene back [s]", 1.0, 1e6)
    fault_timeout: float = param(
        3600.0, "wait for a fault to end, or for an operator, before giving up [s]", 1.0, 1e6
    )
