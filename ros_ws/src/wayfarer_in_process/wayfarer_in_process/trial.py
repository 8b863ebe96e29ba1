"""A policy tried at a task in the simulator.

What is recorded for it, and how often it succeeded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wayfarer_bags.run_directory import finished
from wayfarer_core.errors import ConfigError
from wayfarer_core.targets import CLOSED
from wayfarer_launch.collection import Collection
from wayfarer_offline.evaluation import Evaluation, count_successes
from wayfarer_policies.acting.offline_policy import PolicyFile, read_policy
from wayfarer_policies.algorithms.checkpoint import digest

from wayfarer_in_process.run import collect_in_process
from wayfarer_in_process.run_check import check_run


@dataclass(frozen=True)
class Other:
    """A policy that is no file of `wayfarer train bcq`, and the task it is judged by."""

    method: str  # it is collected with
    task: str
    name: str  # what it is called
    # for method external: the policy server's address, and its policy's name
    server: tuple[str, str] | None = None
    folder: Path | None = None  # where its runs go by default; None: it must be said


@dataclass(frozen=True)
class Trial:
    """A policy, and how it is to be tried."""

    policy: Path | Other
    episodes: int = 20
    steps: int = 200
    seed: int = 0
    out: Path | None = None  # the run it is recorded in; None: beside the policy
    config: Path | None = None  # parameters of the nodes; None: the simulator's own
    gripper_width: float = CLOSED  # m that the gripper opens to; 0: it stays closed

    def run(self, policy: PolicyFile | Other, transport: str) -> Path:
        """Return the run's folder.

        The default one is another for whatever makes the episodes others, and transports.

        Raises ConfigError where the parameter file cannot be read, or there is no default one.
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
    """Do in this process what the nodes do: the same episodes, bit for bit.

    Raises a WayfarerError.
    """
    return try_by(trial, "in-process", collect_in_process)


def try_by(trial: Trial, transport: str, collect: Callable[[Collection], object]) -> Evaluation:
    """Record by `collect` what the run of this transport does not hold yet, then count.

    Raises a WayfarerError.
    """
    policy = trial.policy if isinstance(trial.policy, Other) else read_policy(trial.policy)
    run = trial.run(policy, transport)
    wanted = _collection_of(trial, policy, run)
    if _held(wanted) < trial.episodes:
        collect(wanted)

    return count_successes(run, policy.task, trial.episodes)


def _collection_of(trial: Trial, policy: PolicyFile | Other, run: Path) -> Collection:
    """Return what is to be collected for a trial."""
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


def _held(wanted: Collection) -> int:
    """Count the episodes that are there. Raises ConfigError where they are another trial's."""
    held, _ = finished(wanted.out)
    if held:
        check_run(wanted)
    return held


def _digest(config: Path) -> str:
    try:
        return digest(config.read_bytes())[:8]
    except OSError as error:
        raise ConfigError(f"cannot read the parameter file {config}: {error.strerror}") from error
