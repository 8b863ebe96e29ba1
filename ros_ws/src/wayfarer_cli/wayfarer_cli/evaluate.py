"""`wayfarer evaluate`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from wayfarer_common.errors import ConfigError
from wayfarer_policies.checkpoint import digest
from wayfarer_policies.evaluation import Evaluation, Share, count_successes
from wayfarer_policies.offline_policy import PolicyFile, read_policy
from wayfarer_policies.replay.run_directory import RunDirectory, finished

from wayfarer_cli.collect import Collection, collect_episodes
from wayfarer_cli.console import bars, show
from wayfarer_cli.in_process.config import configuration_of_run
from wayfarer_cli.in_process.held import check_held
from wayfarer_cli.in_process.reaching import Distances, Trials, try_all
from wayfarer_cli.in_process.run import collect_in_process


@dataclass(frozen=True)
class Trial:
    """A policy, and how it is to be tried."""

    checkpoint: Path
    episodes: int = 20
    steps: int = 200
    seed: int = 0
    out: Path | None = None  # the run it is recorded in; None: beside the checkpoint
    config: Path | None = None  # parameters of the nodes; None: the simulator's own

    def run(self, policy: PolicyFile, transport: str) -> Path:
        """Return the run's folder; the default one is another for whatever makes the episodes others, and transports.

        Raises ConfigError where the parameter file cannot be read.
        """
        if self.out is not None:
            return self.out
        name = f"evaluation-{policy.sha256[:8]}-{self.steps}-steps-seed{self.seed}-{transport}"
        return self.checkpoint.parent / (name if self.config is None else f"{name}-config-{_digest(self.config)}")


def try_over_ros(trial: Trial) -> Evaluation:
    """Let the nodes act out and record what the run does not hold yet, then count. Raises a WayfarerError."""
    policy = read_policy(trial.checkpoint)
    run = trial.run(policy, "ros")
    wanted = _collection(trial, policy, run)
    if _held(wanted) < trial.episodes:
        collect_episodes(wanted)
    return count_successes(run, policy.task, trial.episodes)


def try_in_process(trial: Trial) -> Evaluation:
    """Do the same in this process: the same episodes, bit for bit. Raises a WayfarerError."""
    policy = read_policy(trial.checkpoint)
    run = trial.run(policy, "in-process")
    wanted = _collection(trial, policy, run)
    if _held(wanted) < trial.episodes:
        collect_in_process(wanted)
    return count_successes(run, policy.task, trial.episodes)


def evaluate_policy(trial: Trial, in_process: bool, as_json: bool) -> None:
    """Print how often a policy of `wayfarer train bcq` does its task."""
    found = try_in_process(trial) if in_process else try_over_ros(trial)
    if as_json:
        print(json.dumps(_plain(trial, found)))
        return
    table = Table(found.task, f"of {trial.episodes} episodes", "95 % interval", title=f"{trial.steps} steps each")
    table.add_row("done at the end", *_share(found.at_end))
    table.add_row("done on the way", *_share(found.at_any_time))
    show(table)
    print(f"mean return {found.mean_return:.2f}; recorded in {found.run}")


def _collection(trial: Trial, policy: PolicyFile, run: Path) -> Collection:
    return Collection(
        target="sim",
        method="offline",
        episodes=trial.episodes,
        steps=trial.steps,
        seed=trial.seed,
        out=run,
        schedule="sequential",
        config=trial.config,
        checkpoint=(trial.checkpoint, policy.sha256),
    )


def _held(wanted: Collection) -> int:
    """Count the episodes that are there. Raises ConfigError where they are another trial's."""
    held, _ = finished(wanted.out)
    if held:
        check_held(wanted)
    return held


def _digest(config: Path) -> str:
    try:
        return digest(config.read_bytes())[:8]
    except OSError as error:
        raise ConfigError(f"cannot read the parameter file {config}: {error.strerror}") from error


def _plain(trial: Trial, found: Evaluation) -> dict[str, Any]:
    """Return JSON values; the rate and its interval stand at the top."""
    end = found.at_end
    quoted = {"success_rate": end.rate, "interval": [end.low, end.high]}
    about = {"checkpoint": str(trial.checkpoint), "steps": trial.steps, "seed": trial.seed}
    return {**quoted, **about, "episodes": trial.episodes, **found.to_json()}


def _share(share: Share) -> tuple[str, str]:
    return (
        f"{share.successes} ({100 * share.rate:.0f} %)",
        f"{100 * share.low:.0f} to {100 * share.high:.0f} %",
    )


def evaluate_goals(run: Path, episodes: int, steps: int, seed: int, as_json: bool) -> None:
    """Print how near the run's policy comes to goals, beside random actions and standing still."""
    configuration = configuration_of_run(RunDirectory(run).description(), namespace="")
    with bars() as progress:
        task = progress.add_task("reaching goals", total=2 * 3 * episodes)
        found = try_all(configuration, run, episodes, steps, seed, lambda: progress.update(task, advance=1))

    if as_json:
        print(json.dumps({kind: {name: _numbers(of) for name, of in trials.items()} for kind, trials in found.items()}))
        return
    for kind, trials in found.items():
        table = Table(
            "policy",
            "end effector to the goal's [cm]",
            "to the other goals' [cm]",
            "cube to the goal's [cm]",
            title=f"{episodes} {_KINDS[kind]}, {steps} steps: median (95 %)",
        )
        for name, of in trials.items():
            table.add_row(name, _words(of.ee), _words(of.ee_to_others), _words(of.cube))
        show(table)


_KINDS = {"stored": "goals of the run", "even": "goals spread evenly over the workspace"}


def _numbers(trials: Trials) -> dict[str, Any]:
    return {name: asdict(getattr(trials, name)) for name in ("ee", "ee_to_others", "cube")}


def _words(distances: Distances) -> str:
    median = distances.median
    return f"{100 * median.value:.1f} ({100 * median.low:.1f} to {100 * median.high:.1f})"
