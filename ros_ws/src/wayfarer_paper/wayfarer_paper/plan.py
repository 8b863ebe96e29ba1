"""The cells of each stage of the paper.

Repetition k of every variant is collected with seed k.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict

from wayfarer_core.errors import ConfigError

from wayfarer_paper import cells
from wayfarer_paper.grid import Cell
from wayfarer_paper.scales import Scale, Variant
from wayfarer_paper.toy import STRATEGIES, practical

TARGETS = ("color", "position")
ACTIONS_AT_RANDOM = "random actions"  # baseline of the policies


def run_name(variant: Variant, repetition: int) -> str:
    """Return the name of a dataset."""
    return f"{variant.name.replace(', ', '-').replace(' ', '-')}-{repetition}"


def runs(scale: Scale) -> list[tuple[Variant, int, str]]:
    """Return variant, repetition and name of every dataset."""
    return [(v, k, run_name(v, k)) for k in range(scale.repetitions) for v in scale.variants]


def recipe_of(scale: Scale) -> dict[str, str]:
    """Return the argument that names the recipe; none for the paper's.

    So folders from before recipes existed continue with the paper's.
    """
    return {} if scale.recipe == "paper" else {"recipe": scale.recipe}


def collecting(scale: Scale) -> Iterator[Cell]:
    """Yield, for each dataset, its collection and its numbers."""
    for variant, repetition, run in runs(scale):
        nodes = scale.parameters.keys() | variant.parameters.keys()
        parameters = {
            n: {**scale.parameters.get(n, {}), **variant.parameters.get(n, {})}
            for n in sorted(nodes)
        }
        arguments = {
            "run": run,
            "method": variant.method,
            "episodes": scale.episodes,
            "steps": scale.steps,
            "seed": repetition,
            "parameters": parameters,
        }

        yield Cell(f"collect/{run}", cells.collect, arguments | recipe_of(scale))
        yield Cell(f"describe/{run}", cells.describe, {"run": run}, (f"collect/{run}",))


def reporting(scale: Scale) -> Iterator[Cell]:
    """Yield the pictures of each variant's first dataset, and the report of all of these."""
    first = [run for _, repetition, run in runs(scale) if repetition == 0]
    for run in first:
        yield Cell(f"show/{run}", cells.show, {"run": run}, (f"collect/{run}",))
    yield Cell("report", cells.report, {"runs": first}, tuple(f"collect/{run}" for run in first))


def supervised(scale: Scale) -> Iterator[Cell]:
    """Yield a predictor for each target, dataset and seed.

    Each needs all datasets, for the common test set.
    """
    names = [run for _, _, run in runs(scale)]
    for seed in range(scale.predictor_seeds):
        for which, run in enumerate(names):
            for target in TARGETS:
                arguments = {
                    "target": target,
                    "runs": names,
                    "which": which,
                    "seed": seed,
                    "epochs": scale.epochs,
                }
                needed = tuple(f"collect/{name}" for name in names)
                yield Cell(f"{target}/{run}-{seed}", cells.predict, arguments, needed)


def offline(scale: Scale) -> Iterator[Cell]:
    """Yield BCQ and its trials for each task, dataset and seed, and trials of random
    actions.
    """
    trials = {"trials": scale.trials, "steps": scale.trial_steps}
    yield Cell(
        "try/random-actions", cells.attempt_at_random, {"tasks": list(scale.tasks), **trials}
    )
    for task in scale.tasks:
        for seed in range(scale.bcq_seeds):
            for variant, repetition, run in runs(scale):
                if repetition >= scale.bcq_datasets:
                    continue

                one = {"task": task, "run": run, "seed": seed}
                learned = f"learn/{task}-{run}-{seed}"
                arguments = {**one, "updates": scale.updates, **recipe_of(scale)}
                if scale.recipe != "paper":
                    arguments["encoder_updates"] = scale.encoder_updates

                yield Cell(learned, cells.learn, arguments, (f"collect/{run}",))
                world = {node: dict(values) for node, values in variant.parameters.items()}
                yield Cell(
                    f"try/{task}-{run}-{seed}",
                    cells.attempt,
                    {**one, **trials, "parameters": world},
                    (learned,),
                )


def toy(scale: Scale) -> Iterator[Cell]:
    """Yield each strategy of the toy world with each seed, and the maps of novelty of two."""
    config = practical(scale.toy) if scale.recipe == "practical" else scale.toy
    common = {"config": config.to_plain(), "world": asdict(scale.toy_world)}

    for seed in range(scale.repetitions):
        for strategy in STRATEGIES:
            arguments = {"strategy": strategy, "seed": seed, **common}
            yield Cell(f"toy/{strategy}-{seed}", cells.explore_toy, arguments)

    for strategy in ("goal", "rnd"):
        arguments = {"strategy": strategy, **common}
        yield Cell(f"show-toy/{strategy}", cells.show_toy, arguments, (f"toy/{strategy}-0",))


Part = Callable[[Scale], Iterator[Cell]]
STAGES: dict[str, tuple[Part, ...]] = {
    "collect": (collecting,),
    "report": (collecting, reporting),
    "supervised": (collecting, supervised),
    "offline": (collecting, offline),
    "toy": (toy,),
    "all": (collecting, reporting, supervised, offline, toy),
}


def cells_of(stage: str, scale: Scale) -> list[Cell]:
    """Return the cells of a stage and of those before it. Raises ConfigError for an unknown one."""
    if stage not in STAGES:
        raise ConfigError(f"stage {stage!r} is not one of {', '.join(STAGES)}")
    return [cell for part in STAGES[stage] for cell in part(scale)]
