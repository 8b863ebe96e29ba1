"""Parameters of the novelty node."""

from dataclasses import dataclass

from wayfarer_core.options import NoveltyOptions
from wayfarer_core.parameter import param
from wayfarer_policies.algorithms.networks import DEVICES
from wayfarer_policies.exploration.threads import THREADS


@dataclass(frozen=True)
class Params(NoveltyOptions):
    """How novelty is learned and used, and where."""

    run: str = param("", "directory of the run, the replay node's")
    seed: int = param(0, "seed of the networks", 0, 2**63 - 1)
    device: str = param("auto", "where to compute", choices=DEVICES)
    threads: int = param(1, THREADS, 1, 256)
    score_rate: float = param(2.0, "live scores per second at most [Hz]; 0: none", 0.0, 60.0)
