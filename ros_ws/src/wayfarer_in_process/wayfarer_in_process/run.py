"""`wayfarer collect --in-process`.

Algorithm 1 with the simulator, the policy and the learner in this process.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import torch
from wayfarer_bags.run_description import describe
from wayfarer_bags.run_directory import RunWriter, finished
from wayfarer_common import lifetime
from wayfarer_common.agreement import check_agreement
from wayfarer_common.keyboard import HELP
from wayfarer_common.terminal import keys_of_terminal
from wayfarer_core.options import NO_DEVICE
from wayfarer_core.targets import action_size
from wayfarer_launch.collection import Collection, holds_all
from wayfarer_launch.launch_file import Launch
from wayfarer_policies.exploration.algorithm_1 import (
    LearningSchedule,
    Overlapped,
    Progress,
    Schedule,
    Sequential,
    Stage,
    explore,
)
from wayfarer_policies.exploration.methods import method
from wayfarer_policies.exploration.threads import ACTING_THREADS
from wayfarer_report.live.policy_watch import PolicyWatch, in_words
from wayfarer_report.live.scalars import Scalars

from wayfarer_in_process.bag import Recorder
from wayfarer_in_process.config import Configuration, configuration_of, simulator_launch
from wayfarer_in_process.hand import Hand, KeyboardHand, NobodysHand
from wayfarer_in_process.learning import make_parts
from wayfarer_in_process.progress import progress_of
from wayfarer_in_process.robot import Collected, InProcessRobot, StoppedError

_PACES: dict[str, Callable[[], LearningSchedule]] = {
    "sequential": Sequential,
    "overlapped": Overlapped,
}


def collect_in_process(wanted: Collection) -> None:
    """Collect to the end. Raises a WayfarerError, or exits after a signal as the launch would."""
    collect_by_launch(wanted, simulator_launch(wanted))


def collect_by_launch(wanted: Collection, launch: Launch) -> None:
    """Do the same with the launch file already read: the nodes' parameters come from it."""
    configuration = configuration_of(launch)
    run = RunWriter(wanted.out.resolve())

    try:
        if holds_all(wanted):
            return
        with _Watch(wanted) as watch, lifetime.caught(watch.note):
            _collect(configuration, run, watch)
    except StoppedError:
        sys.exit(128 + watch.signal)
    finally:
        run.release()


def _collect(configuration: Configuration, run: RunWriter, watch: "_Watch") -> None:
    """Make Algorithm 1's collaborators in the state of the run, and run it."""
    plan = configuration.collector
    check_agreement(configuration.description())
    collected = Collected(*finished(run.path))
    torch.set_num_threads(ACTING_THREADS)
    parts = make_parts(configuration, run.path, collected.episodes, watch.check)
    wrist, width = configuration.sim_bridge.wrist, configuration.control.gripper_width
    recorder = Recorder(run, configuration.namespace, wrist, width)
    schedule = Schedule(plan.episodes, plan.episodes_per_cycle, plan.steps, plan.epochs)
    run.describe(describe(run.description(), configuration.description()))

    with _hand_of(configuration) as hand, Scalars(run.path) as scalars, ExitStack() as open_:
        robot = InProcessRobot(configuration, parts.policy, recorder, collected, watch.step, hand)
        open_.enter_context(closing(robot))

        def observe(progress: Progress) -> None:
            scalars.write(progress)
            watch.observe(progress)

        explore(
            schedule,
            robot,
            parts.store,
            parts.learner,
            parts.novelty,
            observe,
            _PACES[plan.schedule](),
        )


@contextmanager
def _hand_of(configuration: Configuration) -> Iterator[Hand]:
    """Give the person's keyboard, or nobody.

    ConfigError if there is no terminal.
    """
    actor, by_hand = configuration.actor, method(configuration.collector.method).by_hand
    if actor.teleop_device == NO_DEVICE:
        yield NobodysHand()
        return

    with keys_of_terminal() as terminal:
        print(HELP, file=sys.stderr)
        period, size = configuration.sim_bridge.control_period, action_size(actor.gripper_width)
        yield KeyboardHand(actor, terminal, period, by_hand, size)


class _Watch:
    """The progress bar, and the signals that end a collection between two steps, updates or
    stages.
    """

    def __init__(self, wanted: Collection) -> None:
        self.signal = 0
        self._policy = PolicyWatch()
        self._progress = progress_of(wanted)
        self._done = 0  # episodes
        self._words = ""

    def __enter__(self) -> "_Watch":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def check(self, _: int = 0) -> None:
        """Raise StoppedError if a signal has come."""
        if self.signal:
            raise StoppedError(f"stopped by {signal.Signals(self.signal).name}")

    def step(self, step: int) -> None:
        """Show the number of steps in this episode."""
        self.check()
        self._progress.tell(self._done, step, self._words)

    def observe(self, progress: Progress) -> None:
        """Show the stage of Algorithm 1."""
        if progress.stage in (Stage.LEARNED, Stage.FITTED):
            if progress.detail:
                words = (
                    f"{progress.stage.value} after episode {progress.episode}: "
                    f"{in_words(progress.detail)}"
                )
                self._progress.console.print(words, highlight=False, soft_wrap=True)
                if warning := self._policy.warning(progress.detail):
                    self._progress.console.print(
                        f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True
                    )

            return

        self.check()
        self._done = max(self._done, progress.episode + (progress.stage is Stage.STORING))
        goal = (
            f" for {progress.detail.name}"
            if progress.stage is Stage.ACTING and progress.detail
            else ""
        )
        self._words = f"episode {progress.episode}: {progress.stage}{goal}"
        self._progress.tell(self._done, 0, self._words)

    def note(self, number: int, _: object) -> None:
        """Note a signal; running work checks it where it can end cleanly."""
        self.signal = number
