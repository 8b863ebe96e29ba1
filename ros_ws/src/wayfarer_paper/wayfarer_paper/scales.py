"""Sizes of the paper's experiments.

The paper's own, and smaller ones for two cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wayfarer_core.errors import ConfigError
from wayfarer_offline.train_bcq import RECIPES
from wayfarer_sim import pixel_world
from wayfarer_sim.pixel_world import PixelWorldConfig

from wayfarer_paper.toy import FULL as TOY_FULL
from wayfarer_paper.toy import SMALL as TOY_SMALL
from wayfarer_paper.toy import ToyConfig

Parameters = Mapping[str, Mapping[str, Any]]  # node -> parameter -> value


@dataclass(frozen=True)
class Variant:
    """One way of collecting: a method and its parameters."""

    name: str
    method: str
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """All sizes of the experiments."""

    name: str
    variants: tuple[Variant, ...]
    repetitions: int  # datasets per variant, and seeds of the toy world
    episodes: int  # per dataset
    steps: int  # per episode
    parameters: Parameters  # of every collection, if they differ from launch/config/sim.yaml
    epochs: int  # of a predictor
    predictor_seeds: int
    tasks: tuple[str, ...]
    updates: int  # of BCQ
    encoder_updates: int  # before them, of the practical recipe's encoder
    bcq_seeds: int
    bcq_datasets: int  # datasets per variant from which policies are learned
    trials: int  # evaluation episodes of each policy
    trial_steps: int
    toy: ToyConfig  # sizes; the recipe is applied by plan.toy
    toy_world: PixelWorldConfig
    recipe: str = "practical"  # of every collection, BCQ and the toy world, of RECIPES


_COMPARED = (Variant("goal", "goal"), Variant("rnd", "rnd"), Variant("random", "random"))
_ABLATIONS = (
    Variant("goal, robot hidden", "goal", {"sim_bridge": {"hide_robot": True}}),
    Variant("goal-random", "goal-random"),
    Variant("goal-min", "goal-min"),
)
_TASKS = ("flip-green", "push", "push-flip-green")

FULL = Scale(
    name="full",
    variants=(*_COMPARED, *_ABLATIONS),
    repetitions=5,
    episodes=1500,
    steps=200,
    parameters={},
    epochs=25,
    predictor_seeds=5,
    tasks=_TASKS,
    updates=50_000,
    encoder_updates=4000,
    bcq_seeds=3,
    bcq_datasets=5,
    trials=100,
    trial_steps=200,
    toy=TOY_FULL,
    toy_world=pixel_world.FULL,
)
# 1,600 of the paper's 300,000 steps per dataset. Noise and cycles are those of
# launch/config/demo.yaml: with the paper's every action of so few steps would be random.
SMALL = Scale(
    name="small",
    variants=_COMPARED,
    repetitions=2,
    episodes=16,
    steps=100,
    parameters={
        "actor": {"random_steps": 300, "noise_start": 0.7, "noise_end": 0.3, "noise_steps": 1000},
        "collector": {"episodes_per_cycle": 2},
    },
    epochs=10,
    predictor_seeds=2,
    tasks=_TASKS,
    updates=100,
    encoder_updates=100,
    bcq_seeds=1,
    bcq_datasets=2,
    trials=10,
    trial_steps=50,
    toy=TOY_SMALL,
    toy_world=pixel_world.SMALL,
)
# a fifteenth of the paper's steps: two cores collect them in two hours
MEDIUM = Scale(
    name="medium",
    variants=_COMPARED,
    repetitions=3,
    episodes=100,
    steps=200,
    parameters={},
    epochs=10,
    predictor_seeds=1,
    tasks=("flip-green", "push"),
    updates=50_000,
    encoder_updates=4000,
    bcq_seeds=1,
    bcq_datasets=1,
    trials=50,
    trial_steps=100,
    toy=TOY_SMALL,
    toy_world=pixel_world.SMALL,
)
# a sixth of the paper's steps: two cores collect them in a night
LARGE = replace(MEDIUM, name="large", episodes=250)
# The ablation without the robot in the image. Such an image hardly depends on time, so a goal
# counts as reached at any state whose image is near enough.
HIDDEN = replace(
    MEDIUM,
    name="hidden",
    variants=tuple(
        Variant(
            f"{variant.name}, robot hidden",
            variant.method,
            {
                "sim_bridge": {"hide_robot": True},
                "learner": {"reached": "image", "reached_distance": 0.2},
            },
        )
        for variant in _COMPARED
    ),
)
SCALES = {scale.name: scale for scale in (SMALL, MEDIUM, LARGE, HIDDEN, FULL)}


def scale(name: str, recipe: str, repetitions: int | None = None) -> Scale:
    """Return the scale of that name; ConfigError lists the names.

    `recipe` is that of every collection, of BCQ and of the toy world; `repetitions`, if given,
    replaces the scale's number.
    """
    if name not in SCALES:
        raise ConfigError(f"scale {name!r} is not one of {', '.join(SCALES)}")
    if recipe not in RECIPES:
        raise ConfigError(f"recipe {recipe!r} is not one of {', '.join(RECIPES)}")

    found = replace(SCALES[name], recipe=recipe)

    return found if repetitions is None else replace(found, repetitions=repetitions)
