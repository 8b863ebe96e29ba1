"""Algorithm 1 (docs/method.md), written once.

In one process and over ROS the same lines walk both loops.

Four collaborators stand behind small protocols; a method is a choice of them, never a flag in here.
Every call may block for minutes (a robot moves, another process learns) and may raise: what is
stored stays stored, and starting again continues where the store ends. Each collaborator keeps its
own state on disk (see `learners.Checkpointed`).
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
E = TypeVar("E")  # a finished episode, or the word that one is on disk
W = TypeVar("W")  # the recent images, or the word which they are
G_contra = TypeVar("G_contra", contravariant=True)
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)
W_co = TypeVar("W_co", covariant=True)
W_contra = TypeVar("W_contra", contravariant=True)
G_co = TypeVar("G_co", covariant=True)
S_contra = TypeVar("S_contra", contravariant=True)


class Robot(Protocol[G_contra, E_co]):
    """What acts."""

    def run_episode(self, goal: G_contra | None) -> E_co:
        """Reset and act for T steps towards the goal (without one: as the method does)."""


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
    """What learns to act: the off-policy algorithm A."""

    @property
    def episodes_learned(self) -> int:
        """Number of `update` calls made for this run, those before a restart included."""

    def update(self, store: S_contra, steps: int) -> dict[str, float]:
        """Make `steps` updates on batches from the store."""


class Novelty(Protocol[S_contra, G_co, W_contra]):
    """What judges images and chooses goals: the networks f and f^."""

    @property
    def cycles_fitted(self) -> int:
        """Number of `fit` calls made for this run, those before a restart included."""

    def select_goal(self, store: S_contra) -> G_co | None:
        """Choose the next goal.

        None for a method without goals, or before there is anything to choose from.
        """

    def fit(self, images: W_contra, epochs: int) -> dict[str, float]:
        """Learn what is known by now."""


class CountedStore:
    """A store whose episodes were safe on disk before they are added.

    Adding is counting, `last` names them.
    """

    def __init__(self, finished: int) -> None:
        self.episodes = finished

    def add(self, episode: object, /) -> None:
        """Count an episode that came to its end."""
        del episode
        self.episodes += 1

    def last(self, episodes: int, /) -> int:
        """Return how many episodes are meant; whoever looks at them finds them on disk."""
        return episodes


class Stage(StrEnum):
    """Where Algorithm 1 stands."""

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
    """What the observer is told, when a stage begins.

    In the overlapped schedule LEARNED comes from another thread.
    """

    stage: Stage
    cycle: int
    episode: int
    # the goal for ACTING, the episode for STORING, metrics for LEARNED and FITTED
    detail: Any = None


Observer = Callable[[Progress], None]


@dataclass(frozen=True)
class Schedule:
    """Episodes of T steps in cycles of M.

    K epochs of novelty after each cycle (Table I: 150 cycles).
    """

    episodes: int = 1500  # N M; the last cycle may be a short one
    episodes_per_cycle: int = 10  # M
    steps: int = 200  # T, also the number of updates after each episode
    epochs: int = 4  # K

    def __post_init__(self) -> None:
        within("episodes", self.episodes, 1, 10**9)
        within("episodes_per_cycle", self.episodes_per_cycle, 1, 10**6)
        within("steps", self.steps, 1, 10**6)
        within("epochs", self.epochs, 1, 10**4)

    def remaining(self, store: EpisodeStore[Any, Any]) -> Iterator[tuple[int, int]]:
        """Yield (cycle, episode) of everything that is still to be collected, counted from 0."""
        for episode in range(store.episodes, self.episodes):
            yield episode // self.episodes_per_cycle, episode

    def cycle_ends(self, episode: int) -> bool:
        """Tell whether this is the last episode of its cycle."""
        return (episode + 1) % self.episodes_per_cycle == 0


class LearningSchedule(Protocol):
    """When learning happens. Used as a context that ends when all learning has."""

    def start(self, learning: Callable[[], object]) -> None:
        """Begin to learn; at once, or beside what follows."""

    def settle(self) -> None:
        """Wait until nothing is learning; raises what learning raised."""

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
        """Nothing is ever under way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to end."""


class Overlapped:
    """Learn while the next episode runs.

    Its end waits for the learner, which is so never more than one behind.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="learning")
        self._under_way: Future[object] | None = None

    def start(self, learning: Callable[[], object]) -> None:
        """Learn in the other thread."""
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
        """Let learning end; its error counts unless there is another already."""
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
    """Collect until the schedule's end. Algorithm 1."""
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
        for cycle, episode in schedule.remaining(store):  # resumes where the store ends
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
    """Do what a killed run stored the data for but had not learned yet.

    At most one episode, unless state was lost.
    """
    for episode in range(learner.episodes_learned, store.episodes):
        learn(episode // schedule.episodes_per_cycle, episode)
    for cycle in range(novelty.cycles_fitted, store.episodes // schedule.episodes_per_cycle):
        fit(cycle, (cycle + 1) * schedule.episodes_per_cycle - 1)
