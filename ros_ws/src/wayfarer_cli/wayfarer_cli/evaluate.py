"""`wayfarer evaluate`."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import ConfigError
from wayfarer_in_process.config import Configuration, configuration_of_run
from wayfarer_in_process.reaching import FRAMES, Distances, Trials, Tried, film, try_all
from wayfarer_in_process.run import collect_by_launch
from wayfarer_in_process.trial import Collect, Other, Trial, try_by
from wayfarer_launch.policy_server import served
from wayfarer_offline.evaluation import Evaluation, Share
from wayfarer_offline.tasks import task
from wayfarer_policies.exploration.methods import METHODS
from wayfarer_report.console import bars, show
from wayfarer_report.drawings.reached import Ending, draw_reached, most_telling, write_movie

from wayfarer_cli.collect import collect_episodes


def over_ros(meanwhile: Callable[[], object] = lambda: None) -> Collect:
    """Return a way to collect by the nodes; these read the launch file for themselves."""
    return lambda wanted, _launch: collect_episodes(wanted, meanwhile)


def evaluate_policy(
    trial: Trial, in_process: bool, as_json: bool, meanwhile: Callable[[], object] = lambda: None
) -> None:
    """Print a policy's success rate at its task; `meanwhile` is called while the nodes run."""
    about = _about(trial)
    collect = collect_by_launch if in_process else over_ros(meanwhile)
    found = try_by(trial, "in-process" if in_process else "ros", collect)
    if as_json:
        print(json.dumps(_plain(found, about)))
        return

    table = Table(
        found.task,
        f"of {about['episodes']} episodes",
        "95 % interval",
        title=f"{about['steps']} steps each",
    )
    table.add_row("done at the end", *_share(found.at_end))
    table.add_row("done on the way", *_share(found.at_any_time))
    show(table)
    print(f"mean return {found.mean_return:.2f}; recorded in {found.run}")


@contextmanager
def other_policy(
    wanted: str, task_name: str, python: Path | None
) -> Iterator[tuple[Other, Callable[[], None]]]:
    """Provide a policy that is no file of ours, and a function that raises PolicyError when it is
    gone.

    Raises ConfigError if it is neither a method that learns nothing nor on a policy server.
    """
    judged = task(task_name).name
    if wanted in METHODS and not METHODS[wanted].learns and METHODS[wanted].explores:
        yield Other(wanted, judged, wanted), lambda: None
        return

    with served(wanted, python) as server:
        told = (server.address, server.policy)
        yield (
            Other("external", judged, server.policy, told, server.folder and server.folder.parent),
            server.check,
        )


def _about(trial: Trial) -> dict[str, Any]:
    """Return a trial's policy and sizes as JSON values."""
    policy = (
        {"policy": trial.policy.name}
        if isinstance(trial.policy, Other)
        else {"checkpoint": str(trial.policy)}
    )

    return {**policy, "steps": trial.steps, "seed": trial.seed, "episodes": trial.episodes}


def _plain(found: Evaluation, about: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values; the rate and its interval come first."""
    end = found.at_end
    quoted = {"success_rate": end.rate, "interval": [end.low, end.high]}

    return {**quoted, **about, **found.to_json()}


def _share(share: Share) -> tuple[str, str]:
    return (
        f"{share.successes} ({100 * share.rate:.0f} %)",
        f"{100 * share.low:.0f} to {100 * share.high:.0f} %",
    )


@dataclass(frozen=True)
class GoalTrial:
    """A run, and how to evaluate its policy on goal images."""

    run: Path
    goals: int = 20
    steps: int = 50
    seed: int = 0
    # a sheet of goals and final images (.png), or a film of the policy (.gif)
    picture: Path | None = None

    def __post_init__(self) -> None:
        if self.picture is not None and self.picture.suffix not in (".png", ".gif"):
            raise ConfigError(
                f"--picture {self.picture}: must end in .png (a sheet) or .gif (a film)"
            )


def evaluate_goals(trial: GoalTrial, as_json: bool) -> None:
    """Print how near the run's policy comes to goals, compared with random actions and none."""
    configuration = configuration_of_run(RunDirectory(trial.run).description(), namespace="")
    with bars() as progress:
        task = progress.add_task("reaching goals", total=2 * 3 * trial.goals)

        def on_trial() -> None:
            progress.update(task, advance=1)

        found = try_all(configuration, trial.run, trial.goals, trial.steps, trial.seed, on_trial)

    if as_json:
        plain = {
            kind: {name: _numbers(of) for name, of in tried.trials.items()}
            for kind, tried in found.items()
        }
        print(json.dumps(plain))
    else:
        for kind, tried in found.items():
            show(_table(trial, kind, tried))

    if trial.picture is not None:
        print(
            _draw(trial, trial.picture, configuration, found),
            file=sys.stderr if as_json else sys.stdout,
        )


def _table(trial: GoalTrial, kind: str, tried: Tried) -> Table:
    table = Table(
        "policy",
        "end effector to the goal's [cm]",
        "to the other goals' [cm]",
        "cube to the goal's [cm]",
        title=f"{trial.goals} {_KINDS[kind]}, {trial.steps} steps: median (95 %)",
    )
    for name, of in tried.trials.items():
        table.add_row(name, _words(of.ee), _words(of.ee_to_others), _words(of.cube))

    return table


def _draw(
    trial: GoalTrial, picture: Path, configuration: Configuration, found: Mapping[str, Tried]
) -> Path:
    """Write the requested picture."""
    if picture.suffix == ".gif":
        frames = film(configuration, trial.run, found["even"].goals, _FILMED, _FILM_STEPS)
        return write_movie(frames, picture, FRAMES)

    goals: list[tuple[str, Any]] = []
    endings: dict[str, list[Ending]] = {"policy": [], "standing still": []}
    for kind, tried in found.items():
        for k in most_telling([goal.image for goal in tried.goals], _SHOWN):
            goals.append((_TITLES[kind], tried.goals[k].image))
            for name, of in (("policy", "learned"), ("standing still", "still")):
                trials = tried.trials[of]
                endings[name].append(Ending(trials.last_images[k], trials.ee.each[k]))

    return draw_reached(goals, endings, picture)


_KINDS = {"stored": "goals of the run", "even": "goals spread evenly over the workspace"}
_TITLES = {"stored": "of the run", "even": "spread evenly"}  # of goals on a sheet
_SHOWN = 4  # goals of each kind on a sheet
_FILMED, _FILM_STEPS = 5, 8  # goals of a film, actions towards each


def _numbers(trials: Trials) -> dict[str, Any]:
    return {name: asdict(getattr(trials, name)) for name in ("ee", "ee_to_others", "cube")}


def _words(distances: Distances) -> str:
    median = distances.median
    return f"{100 * median.value:.1f} ({100 * median.low:.1f} to {100 * median.high:.1f})"
