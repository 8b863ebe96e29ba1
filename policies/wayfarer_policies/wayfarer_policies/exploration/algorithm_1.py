"""Algorithm 1 (docs/method.md), written once: in one process and over ROS the same code runs.

Four collaborators stand behind small protocols. A method is a choice of them, never a flag in here.
Every call may block for minutes (a robot moves, another process learns) and may raise. Stored
episodes then stay stored, and a restart continues after the last of them. Each collaborator keeps
its own state on disk (see `learners.Checkpointed`).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from wayfarer_policies.algorithms.algorithm import within

G = TypeVar("G")  # a goal
E = TypeVar("E")  # a finished episode, or a token for one on disk
W = TypeVar("W")  # the recent images, or a token for them
G_contra = TypeVar("G_contra", contravariant=True)
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)
W_co = TypeVar("W_co", covariant=True)
W_contra = TypeVar("W_contra", contravariant=True)
G_co = TypeVar("G_co", covariant=True)
S_contra = TypeVar("S_contra", contravariant=True)


class Robot(Protocol[G_contra, E_co]):
    """Runs episodes."""

    def run_episode(self, goal: G_contra | None) -> E_co:
        """Reset, and act for T steps towards the goal (without a goal: as the method does)."""


class EpisodeStore(Protocol[E_contra, W_co]):
    """The replay buffer R."""

    @property
    def episodes(self) -> int:
        """Number of episodes stored."""

    def add(self, episode: E_contra, /) -> None:
        """Store an episode; it is safe once this returns."""

    def last(self, episodes: int, /) -> W_co:
        """Return the images of the last episodes."""


class Learner(Protocol[S_contra]):
    """Learns to act: the off-policy algorithm A."""

    @property
    def episodes_learned(self) -> int:
        """Number of `update` calls in this run, including those before a restart."""

    def update(self, store: S_contra, steps: int) -> dict[str, float]:
        """Make `steps` updates on batches from the store."""


class Novelty(Protocol[S_contra, G_co, W_contra]):
    """Judges images and chooses goals: the networks f and f^."""

    @property
    def cycles_fitted(self) -> int:
        """Number of `fit` calls in this run, including those before a restart."""

    def select_goal(self, store: S_contra) -> G_co | None:
        """Choose the next goal.

        None for a method without goals, or before there are images to choose from.
        """

    def fit(self, images: W_contra, epochs: int) -> dict[str, float]:
        """Train the predictor on these images."""


class CountedStore:
    """A store whose episodes are already on disk when they are added.

    `add` counts them, and `last` only says how many are meant.
    """

    def __init__(self, finished: int) -> None:
        self.episodes = finished

    def add(self, episode: object, /) -> None:
        """Count an episode that was not aborted."""
        del episode
        self.episodes += 1

    def last(self, episodes: int, /) -> int:
        """Return the number of episodes; the reader finds them on disk."""
        return episodes


class Stage(StrEnum):
    """The stages of Algorithm 1."""

    SELECTING = "selecting"
    ACTING = "acting"
    STORING = "storing"
    LEARNING = "learning"
    LEARNED = "learned"
    FITTING = "fitting"
    FITTED = "fitted"
    DONE = "done"


@dataclass(frozen=True)
class Progress:
    """What an observer gets when a stage begins.

    In the overlapped schedule LEARNED comes from another thread.
    """

    stage: Stage
    cycle: int
    episode: int
    # the goal at ACTING, the episode at STORING, metrics at LEARNED and FITTED
    detail: Any = None


Observer = Callable[[Progress], None]


@dataclass(frozen=True)
class Schedule:
    """Episodes of T steps in cycles of M.

    K epochs of novelty after each cycle (Table I: 150 cycles).
    """

    episodes: int = 1500  # N M; the last cycle may be shorter
    episodes_per_cycle: int = 10  # M
    steps: int = 200  # T, also the number of updates after each episode
    epochs: int = 4  # K

    def __post_init__(self) -> None:
        within("episodes", self.episodes, 1, 10**9)
        within("episodes_per_cycle", self.episodes_per_cycle, 1, 10**6)
        within("steps", self.steps, 1, 10**6)
        within("epochs", self.epochs, 1, 10**4)

    def remaining(self, store: EpisodeStore[Any, Any]) -> Iterator[tuple[int, int]]:
        """Yield (cycle, episode) of all episodes still to collect, counted from 0."""
        for episode in range(store.episodes, self.episodes):
            yield episode // self.episodes_per_cycle, episode

    def cycle_ends(self, episode: int) -> bool:
        """Say whether this is the last episode of its cycle."""
        return (episode + 1) % self.episodes_per_cycle == 0


class LearningSchedule(Protocol):
    """When learning happens. A context that waits for all learning at its end."""

    def start(self, learning: Callable[[], object]) -> None:
        """Begin to learn: now, or beside the next episode."""

    def settle(self) -> None:
        """Wait until learning has ended; raise its error."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Sequential:
    """Learn after each episode and before the next, as the paper does."""

    def start(self, learning: Callable[[], object]) -> None:
        """Learn now."""
        learning()

    def settle(self) -> None:
        """Do nothing: learning never runs beside anything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing."""


class Overlapped:
    """Learn while the next episode runs.

    An episode's end waits for the learner, so the learner is never more than one behind.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="learning")
        self._under_way: Future[object] | None = None

    def start(self, learning: Callable[[], object]) -> None:
        """Learn in another thread."""
        self.settle()
        self._under_way = self._worker.submit(learning)

    def settle(self) -> None:
        """Wait for the other thread."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the learner; raise its error, unless there is another error."""
        self._worker.shutdown(wait=True)
        if error is None:
            self.settle()


def explore(
    schedule: Schedule,
    robot: Robot[G, E],
    store: EpisodeStore[E, W],
    learner: Learner[Any],
    novelty: Novelty[Any, G, W],
    observer: Observer | None = None,
    pace: LearningSchedule | None = None,
) -> None:
    """Run Algorithm 1: collect until the schedule's end."""
    tell = observer or (lambda _: None)

    def learn(cycle: int, episode: int) -> None:
        tell(Progress(Stage.LEARNING, cycle, episode))
        metrics = learner.update(store, steps=schedule.steps)
        tell(Progress(Stage.LEARNED, cycle, episode, metrics))

    def fit(cycle: int, episode: int) -> None:
        tell(Progress(Stage.FITTING, cycle, episode))
        metrics = novelty.fit(store.last(schedule.episodes_per_cycle), epochs=schedule.epochs)
        tell(Progress(Stage.FITTED, cycle, episode, metrics))

    with pace or Sequential() as pace:
        _catch_up(schedule, store, learner, novelty, learn, fit)
        for cycle, episode in schedule.remaining(store):  # continues after the stored episodes
            tell(Progress(Stage.SELECTING, cycle, episode))
            goal = novelty.select_goal(store)
            tell(Progress(Stage.ACTING, cycle, episode, goal))
            outcome = robot.run_episode(goal)
            pace.settle()
            tell(Progress(Stage.STORING, cycle, episode, outcome))
            store.add(outcome)
            pace.start(partial(learn, cycle, episode))

            if schedule.cycle_ends(episode):
                fit(cycle, episode)

    tell(Progress(Stage.DONE, schedule.episodes // schedule.episodes_per_cycle, schedule.episodes))


def _catch_up(
    schedule: Schedule,
    store: EpisodeStore[Any, Any],
    learner: Learner[Any],
    novelty: Novelty[Any, Any, Any],
    learn: Callable[[int, int], None],
    fit: Callable[[int, int], None],
) -> None:
    """Learn from episodes that a killed run had stored but not yet learned from.

    This is at most one episode, unless state was lost.
    """
    for episode in range(learner.episodes_learned, store.episodes):
        learn(episode // schedule.episodes_per_cycle, episode)
    for cycle in range(novelty.cycles_fitted, store.episodes // schedule.episodes_per_cycle):
        fit(cycle, (cycle + 1) * schedule.episodes_per_cycle - 1)
