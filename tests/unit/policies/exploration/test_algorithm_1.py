import threading
import time
from collections.abc import Iterator

import pytest
from wayfarer_core.errors import ConfigError
from wayfarer_policies.exploration.algorithm_1 import (
    Overlapped,
    Progress,
    Schedule,
    Sequential,
    Stage,
    explore,
)


class World:
    """All four collaborators, writing one log."""

    def __init__(self, episodes: int = 0, learned: int = 0, fitted: int = 0) -> None:
        self.log: list[str] = []
        self.episodes, self.episodes_learned, self.cycles_fitted = episodes, learned, fitted
        self.acting = threading.Event()
        self.fail_at = -1
        self.learning_takes = 0.0

    def run_episode(self, goal: str | None) -> int:
        if self.episodes == self.fail_at:
            raise RuntimeError("the robot stopped")
        self.log.append(f"act {goal}")
        time.sleep(self.learning_takes / 4)

        return self.episodes

    def add(self, episode: int) -> None:
        self.log.append(f"add {episode}")
        self.episodes += 1

    def last(self, episodes: int) -> str:
        return f"last {episodes}"

    def update(self, store: "World", steps: int) -> dict[str, float]:
        assert store is self
        time.sleep(self.learning_takes)
        self.log.append(f"update {steps}")
        self.episodes_learned += 1

        return {"loss": 1.0}

    def select_goal(self, store: "World") -> str | None:
        return f"goal{store.episodes}" if store.episodes else None

    def fit(self, images: str, epochs: int) -> dict[str, float]:
        self.log.append(f"fit {images} {epochs}")
        self.cycles_fitted += 1
        return {}


SCHEDULE = Schedule(episodes=4, episodes_per_cycle=2, steps=7, epochs=3)


def cycle(first: int, goal: str) -> Iterator[str]:
    yield from (
        f"act {goal}",
        f"add {first}",
        "update 7",
        f"act goal{first + 1}",
        f"add {first + 1}",
        "update 7",
    )
    yield "fit last 2 3"


def test_the_order_is_algorithm_1() -> None:
    world = World()
    explore(SCHEDULE, world, world, world, world)
    assert world.log == [*cycle(0, "None"), *cycle(2, "goal2")]


def test_it_resumes_where_the_store_ends() -> None:
    world = World(episodes=2, learned=2, fitted=1)
    explore(SCHEDULE, world, world, world, world)
    assert world.log == [*cycle(2, "goal2")]
    world.log.clear()
    explore(SCHEDULE, world, world, world, world)
    assert world.log == []


def test_what_a_killed_run_had_stored_but_not_learned_comes_first() -> None:
    world = World(episodes=2, learned=1, fitted=0)
    explore(SCHEDULE, world, world, world, world)
    assert world.log == ["update 7", "fit last 2 3", *cycle(2, "goal2")]


def test_a_failing_robot_loses_nothing_that_is_stored() -> None:
    world = World()
    world.fail_at = 1
    with pytest.raises(RuntimeError, match="the robot stopped"):
        explore(SCHEDULE, world, world, world, world)

    assert (world.episodes, world.episodes_learned) == (1, 1)
    world.fail_at = -1
    explore(SCHEDULE, world, world, world, world)
    assert world.episodes == world.episodes_learned == 4
    assert world.cycles_fitted == 2


def test_the_observer_hears_every_stage() -> None:
    heard: list[Progress] = []
    world = World()
    explore(SCHEDULE, world, world, world, world, heard.append)
    first = [Stage.SELECTING, Stage.ACTING, Stage.STORING, Stage.LEARNING, Stage.LEARNED]
    fit = [Stage.FITTING, Stage.FITTED]
    assert [p.stage for p in heard] == [*first, *first, *fit, *first, *first, *fit, Stage.DONE]
    assert [p.episode for p in heard if p.stage is Stage.ACTING] == [0, 1, 2, 3]
    assert [p.detail for p in heard if p.stage is Stage.ACTING] == [None, "goal1", "goal2", "goal3"]
    assert heard[4].detail == {"loss": 1.0}


def test_overlapped_learning_is_never_more_than_one_episode_behind() -> None:
    world = World()
    world.learning_takes = 0.02
    behind: list[int] = []

    def watch(progress: Progress) -> None:
        if progress.stage in (Stage.STORING, Stage.ACTING):
            behind.append(world.episodes - world.episodes_learned)

    explore(SCHEDULE, world, world, world, world, watch, Overlapped())

    # while acting one is being learned, before storing none is
    assert behind == [0, 0, 1, 0, 1, 0, 1, 0]
    assert world.episodes_learned == 4
    assert world.log.count("update 7") == 4


def test_overlapped_learning_runs_beside_acting() -> None:
    world = World()
    world.learning_takes = 0.02
    explore(SCHEDULE, world, world, world, world, pace=Overlapped())
    assert world.log.index("act goal1") < world.log.index("update 7")


@pytest.mark.parametrize("pace", [Sequential, Overlapped])
def test_an_error_of_learning_reaches_the_caller(pace: type[Sequential] | type[Overlapped]) -> None:
    world = World()

    def fail(store: World, steps: int) -> dict[str, float]:
        raise RuntimeError(f"loss is nan after {steps} of {store.episodes}")

    world.update = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="loss is nan"):
        explore(SCHEDULE, world, world, world, world, pace=pace())

    assert world.episodes == 1


def test_impossible_schedules_are_refused() -> None:
    with pytest.raises(ConfigError, match="episodes is 0"):
        Schedule(episodes=0)
    assert Schedule().episodes == 1500
