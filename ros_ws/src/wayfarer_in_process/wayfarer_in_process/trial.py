"""A policy's evaluation at a task in the simulator.

It records the episodes and counts the successes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wayfarer_core.errors import ConfigError
from wayfarer_core.targets import CLOSED
from wayfarer_launch.collection import Collection
from wayfarer_launch.launch_file import Launch
from wayfarer_offline.evaluation import Evaluation, count_successes
from wayfarer_policies.acting.offline_policy import PolicyFile, read_policy
from wayfarer_policies.algorithms.checkpoint import digest

from wayfarer_in_process.config import simulator_launch
from wayfarer_in_process.run import collect_by_launch
from wayfarer_in_process.run_check import held_episodes

Collect = Callable[[Collection, Launch], object]


@dataclass(frozen=True)
class Other:
    """A policy that is no file of `wayfarer train bcq`, and the task for its evaluation."""

    method: str  # of its collection
    task: str
    name: str  # of the policy
    # for method external: the policy server's address, and its policy's name
    server: tuple[str, str] | None = None
    folder: Path | None = None  # default place for its runs; None: --out is required


@dataclass(frozen=True)
class Trial:
    """A policy, and how to evaluate it."""

    policy: Path | Other
    episodes: int = 20
    steps: int = 200
    seed: int = 0
    out: Path | None = None  # the run it is recorded in; None: beside the policy
    config: Path | None = None  # parameters of the nodes; None: the simulator's own
    gripper_width: float = CLOSED  # m that the gripper opens to; 0: it stays closed

    def run(self, policy: PolicyFile | Other, transport: str) -> Path:
        """Return the run's folder.

        The default name differs for everything that changes the episodes, and for the transport.

        Raises ConfigError if the parameter file cannot be read, or there is no default.
        """
        if self.out is not None:
            return self.out

        folder = self.policy.folder if isinstance(self.policy, Other) else self.policy.parent
        if folder is None:
            raise ConfigError("this policy has no folder of its own to record beside: say --out")

        called = (
            policy.sha256[:8]
            if isinstance(policy, PolicyFile)
            else re.sub(r"\W+", "-", policy.name)
        )
        name = f"evaluation-{called}-{self.steps}-steps-seed{self.seed}-{transport}"
        if self.gripper_width != CLOSED:
            name += f"-gripper-{self.gripper_width:g}"

        return folder / (name if self.config is None else f"{name}-config-{_digest(self.config)}")


def try_in_process(trial: Trial) -> Evaluation:
    """Evaluate in this process; the episodes equal those of the nodes, bit for bit.

    Raises a WayfarerError.
    """
    return try_by(trial, "in-process", collect_by_launch)


def try_by(trial: Trial, transport: str, collect: Collect) -> Evaluation:
    """Record by `collect` the episodes that the run lacks, then count.

    Raises a WayfarerError.
    """
    policy = trial.policy if isinstance(trial.policy, Other) else read_policy(trial.policy)
    run = trial.run(policy, transport)
    wanted = _collection_of(trial, policy, run)
    launch = simulator_launch(wanted)
    if held_episodes(wanted, launch) < trial.episodes:
        collect(wanted, launch)

    return count_successes(run, policy.task, trial.episodes)


def _collection_of(trial: Trial, policy: PolicyFile | Other, run: Path) -> Collection:
    """Return the collection for a trial."""
    file = trial.policy if isinstance(trial.policy, Path) else None

    return Collection(
        target="sim",
        method=policy.method if isinstance(policy, Other) else "offline",
        episodes=trial.episodes,
        steps=trial.steps,
        seed=trial.seed,
        out=run,
        schedule="sequential",
        config=trial.config,
        gripper_width=trial.gripper_width,
        checkpoint=(file, policy.sha256) if file and isinstance(policy, PolicyFile) else None,
        server=policy.server if isinstance(policy, Other) else None,
    )


def _digest(config: Path) -> str:
    try:
        return digest(config.read_bytes())[:8]
    except OSError as error:
        raise ConfigError(f"cannot read the parameter file {config}: {error.strerror}") from error
