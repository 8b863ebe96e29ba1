"""Parameters of the learner node."""

from dataclasses import dataclass

from wayfarer_core.options import LearnerOptions
from wayfarer_core.parameter import param
from wayfarer_policies.algorithms.networks import DEVICES
from wayfarer_policies.exploration.methods import METHODS
from wayfarer_policies.exploration.threads import THREADS


@dataclass(frozen=True)
class Params(LearnerOptions):
    """What is learned, how, and where."""

    run: str = param("", "directory of the run, the replay node's")
    method: str = param(
        "goal", "collection method; decides rewards and goals", choices=tuple(METHODS)
    )
    seed: int = param(0, "seed of the networks and of the draws", 0, 2**63 - 1)
    device: str = param("auto", "where to compute", choices=DEVICES)
    threads: int = param(1, THREADS, 1, 256)
