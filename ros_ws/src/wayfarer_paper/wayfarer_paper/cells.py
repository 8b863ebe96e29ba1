"""The jobs of the grid.

Each is a function of the experiment's folder and plain arguments, and runs in its own process.

A job continues from what a killed one has left in the folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from wayfarer_core.provenance import made_by
from wayfarer_data.cache.dataset import Dataset
from wayfarer_in_process.config import simulator_launch
from wayfarer_in_process.run import collect_by_launch, collect_in_process
from wayfarer_in_process.run_check import held_episodes
from wayfarer_in_process.trial import Trial, try_in_process
from wayfarer_launch.collection import Collection
from wayfarer_launch.nodes import share_of
from wayfarer_offline.evaluation import Evaluation, count_successes
from wayfarer_offline.pose_labels import TaskDataError
from wayfarer_offline.supervised import PredictorConfig, train_predictor
from wayfarer_offline.train_bcq import POLICY, OfflineConfig, bcq_constants, train_bcq
from wayfarer_offline.train_encoder import PoseEncoding
from wayfarer_policies.acting.offline_policy import read_policy
from wayfarer_report.drawings import figures
from wayfarer_report.numbers.gather import read_run
from wayfarer_report.numbers.statistics import growth, statistics
from wayfarer_report.page import pictures
from wayfarer_report.page.dataset import dataset_page
from wayfarer_report.page.gathered import gather
from wayfarer_report.page.page import write_page
from wayfarer_sim.pixel_world import PixelWorld, PixelWorldConfig

from wayfarer_paper.grid import Plain
from wayfarer_paper.toy import ToyConfig, load_rnd, run_strategy
from wayfarer_paper.toy_figures import novelty_map

REPORT = "report.html"
TRIAL_SEED = 1_000_000  # of the world in trials: no data were collected with it

Parameters = Mapping[str, Mapping[str, Any]]  # node -> parameter -> value


def run_of(folder: Path, run: str) -> Path:
    """Return where a dataset of the experiment lies."""
    return folder / "runs" / run


def collect(
    folder: Path,
    run: str,
    method: str,
    episodes: int,
    steps: int,
    seed: int,
    parameters: Parameters,
    recipe: str = "paper",
) -> Plain:
    """Collect one dataset, in process.

    `parameters` (node -> parameter -> value) replace those of launch/config/sim.yaml.
    """
    out = run_of(folder, run)
    out.parent.mkdir(parents=True, exist_ok=True)
    config = _write(parameters, out.with_name(f"{run}.yaml"))
    collect_in_process(
        Collection(
            "sim", method, episodes, steps, seed, out, "sequential", config, recipe, threads=1
        )
    )

    return {"run": run}


def describe(folder: Path, run: str) -> Plain:
    """Return the numbers of one dataset."""
    record = read_run(run_of(folder, run))
    return {**asdict(statistics(record)), "growth": growth(record)}


def show(folder: Path, run: str) -> Plain:
    """Return Figure 5 and Figure 4 of one dataset as HTML.

    Ids in the figure contain the run's name.
    """
    found = gather(run_of(folder, run))

    return {
        "cube": figures.cube_by_face(found.record, f"cube {run}")
        if found.record.knows_cube
        else "",
        "sheet": pictures.sheet(found),
    }


def report(folder: Path, runs: Sequence[str]) -> Plain:
    """Write the dataset report of some runs, side by side."""
    write_page(
        folder / REPORT, dataset_page([gather(run_of(folder, run)) for run in runs], made_by())
    )
    return {"file": REPORT}


def predict(
    folder: Path, target: str, runs: Sequence[str], which: int, seed: int, epochs: int
) -> Plain:
    """Train a predictor on one of the datasets and test it on the common test set of all."""
    datasets = [Dataset.open([run_of(folder, run)]) for run in runs]
    return train_predictor(PredictorConfig(target, epochs=epochs), datasets, which, seed).to_json()


def learn(
    folder: Path,
    task: str,
    run: str,
    seed: int,
    updates: int,
    encoder_updates: int = 1,
    recipe: str = "paper",
) -> Plain:
    """Learn a task with BCQ from one dataset.

    If nothing can be learned from it, the result says so.
    """
    out = policy_folder(folder, task, run, seed)
    try:
        config = OfflineConfig(
            task, updates, bcq=bcq_constants(recipe), encoding=PoseEncoding(encoder_updates)
        )
        train_bcq(config, Dataset.open([run_of(folder, run)]), seed, out)
    except TaskDataError as error:
        return {"nothing_to_learn": str(error)}

    return {"nothing_to_learn": ""}


def policy_folder(folder: Path, task: str, run: str, seed: int) -> Path:
    """Return the folder of a learned policy."""
    return folder / "policies" / f"{task}-{run}-{seed}"


def explore_toy(
    folder: Path, strategy: str, seed: int, config: Mapping[str, Any], world: Mapping[str, Any]
) -> Plain:
    """Run one strategy of the toy world with one seed."""
    out = toy_folder(folder, strategy, seed)
    rows = run_strategy(
        strategy, seed, ToyConfig.from_plain(config), PixelWorld(PixelWorldConfig(**world)), out
    )

    return {"states": rows[-1].total_states}


def show_toy(
    folder: Path, strategy: str, config: Mapping[str, Any], world: Mapping[str, Any]
) -> dict[str, str]:
    """Return Figure 2 of a strategy with novelty, for seed 0, and write it as a picture,
    too.
    """
    out, pixels = toy_folder(folder, strategy, 0), PixelWorld(PixelWorldConfig(**world))
    rnd = load_rnd(ToyConfig.from_plain(config), pixels, out)
    drawn = novelty_map(
        np.load(out / "visits.npy"), rnd, pixels, f"toy {strategy}", map_file(folder, strategy)
    )

    return {"map": drawn}


def map_file(folder: Path, strategy: str) -> Path:
    """Return the picture's file of a strategy's Figure 2."""
    return folder / f"figure2-{strategy}.png"


def toy_folder(folder: Path, strategy: str, seed: int) -> Path:
    """Return the folder of a toy run's numbers."""
    return folder / "toy" / f"{strategy}-{seed}"


def attempt(
    folder: Path, task: str, run: str, seed: int, trials: int, steps: int, parameters: Parameters
) -> dict[str, int]:
    """Try a learned policy at its task in a world with these parameters.

    Without a policy there are no trials.
    """
    learned = policy_folder(folder, task, run, seed)
    if not (learned / POLICY).exists():
        return {"episodes": 0, "at_end": 0, "at_any_time": 0}

    config = _write(parameters, learned / "trials.yaml")

    # a policy that was learned again is tried again
    out = learned / f"trials-{read_policy(learned / POLICY).sha256[:8]}"

    return _counts(try_in_process(Trial(learned / POLICY, trials, steps, TRIAL_SEED, out, config)))


def attempt_at_random(
    folder: Path, tasks: Sequence[str], trials: int, steps: int
) -> dict[str, dict[str, int]]:
    """Act at random once, and count the successes of each task."""
    out = folder / "policies" / "random-actions"
    out.parent.mkdir(parents=True, exist_ok=True)
    wanted = Collection(
        "sim", "random", trials, steps, TRIAL_SEED, out, "sequential", None, threads=1
    )
    launch = simulator_launch(wanted)
    collect_by_launch(wanted, launch)
    held_episodes(wanted, launch)

    return {task: _counts(count_successes(out, task, trials)) for task in tasks}


def _counts(found: Evaluation) -> dict[str, int]:
    end, any_time = found.at_end, found.at_any_time
    return {"episodes": end.episodes, "at_end": end.successes, "at_any_time": any_time.successes}


def _write(parameters: Parameters, file: Path) -> Path:
    """Write the simulator's parameter file with these values, node -> parameter -> value, in place
    of its own.
    """
    sections = yaml.safe_load((share_of("wayfarer_bringup") / "config" / "sim.yaml").read_text())
    for node, values in parameters.items():
        section = sections.setdefault(f"/**/{node}", {"ros__parameters": {}})
        section["ros__parameters"] |= values

    file.write_text(yaml.safe_dump(sections))

    return file
