"""The four collaborators of Algorithm 1, over ROS.

They run in the collector's own thread and may block.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.action import ActionClient
from rclpy.client import Client
from rclpy.node import Node
from sensor_msgs.msg import Image
from wayfarer_core import names
from wayfarer_core.errors import DataError, DeviceError
from wayfarer_core.fault import DISCARDED, TRIES, FaultKind, tried_in_vain
from wayfarer_msgs.action import FitNovelty, RunEpisode, Train
from wayfarer_msgs.msg import Episode
from wayfarer_msgs.srv import BeginEpisode, EndEpisode, Reset, SelectGoal
from wayfarer_policies.exploration.algorithm_1 import CountedStore
from wayfarer_policies.exploration.methods import method

from wayfarer_collector.scene import Scene
from wayfarer_collector.waiting import (
    InterruptedWaitError,
    OnFeedback,
    RefusedError,
    SilenceError,
    Waiter,
)

# s, longest pause between two tries of an episode; the first is 1 s, and each is twice the last
_LONGEST_PAUSE = 5.0
# s; control's message about a fault may come after the answer that the fault spoiled
_WORD_OF_CONTROL = 1.0


@dataclass(frozen=True)
class SentGoal:
    """A stored image, as the novelty node sent it."""

    image: Image
    ee_position: Sequence[float]  # (3,) [m], base frame: the end effector's in that image
    name: str  # episode/step
    novelty: float


class Caller:
    """Calls services and actions of other nodes, with deadlines.

    Make it before the node spins: rclpy adds an action client to the executor before the client has
    its lock.
    """

    def __init__(
        self, node: Node, waiter: Waiter, timeout: float, actions: Mapping[str, Any]
    ) -> None:
        """`actions` maps the names of all actions to their types."""
        self.waiter, self.timeout = waiter, timeout
        self._node = node
        self._clients: dict[str, Client[Any, Any]] = {}
        self._actions: dict[str, ActionClient[Any, Any, Any]] = {
            name: ActionClient(node, kind, name) for name, kind in actions.items()
        }

    def service(self, kind: Any, name: str, request: Any) -> Any:
        """Return a service's answer. Raises RefusedError with its message if it failed."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)

        client = self._clients[name]
        self.waiter.until(client.service_is_ready, self.timeout, lambda: f"nobody offers {name}")
        response = self.waiter.result_of(client.call_async(request), self.timeout, name)
        if not response.success:
            raise RefusedError(f"{name}: {response.message}")

        return response

    def action(
        self, name: str, goal: Any, timeout: float, tell: OnFeedback = lambda _: None
    ) -> Any:
        """Return an action's result; cancel it if this collector is told to stop."""
        client = self._actions[name]
        self.waiter.until(client.server_is_ready, self.timeout, lambda: f"nobody offers {name}")
        sent = self._asked(
            lambda: client.send_goal_async(goal, lambda message: tell(message.feedback)), name
        )
        handle = self.waiter.result_of(sent, self.timeout, name)
        if not handle.accepted:
            raise DeviceError(f"{name} rejected the goal: see that node's log")

        future = self._asked(handle.get_result_async, name)
        self.waiter.until(
            lambda: future.done() or self.waiter.stopped, timeout, lambda: f"{name} did not end"
        )
        if not future.done():
            self._asked(handle.cancel_goal_async, name)

        return self.waiter.result_of(future, timeout, f"the end of {name}").result

    def _asked(self, ask: Callable[[], Any], name: str) -> Any:
        """Send a request from the executor's thread; return the future of the answer.

        Jazzy's ActionClient registers a request only after sending it. Sent from another thread,
        the answer could arrive before that and would be dropped. An error is raised here, in the
        thread that asks: in the executor it would crash the process on Jazzy.
        """

        def attempt() -> Any:
            try:
                return ask()
            except Exception as error:  # noqa: BLE001  raised below, in the thread that asks
                return error

        task = self._node.executor.create_task(attempt)  # type: ignore[union-attr]  # the node spins
        future = self.waiter.result_of(task, self.timeout, name)
        if isinstance(future, Exception):
            raise future

        return future


@dataclass(frozen=True)
class Plan:
    """Parameters common to all episodes."""

    method: str
    steps: int
    seed: int
    step_timeout: float  # s
    configuration: str  # YAML: the parameters of every node


class RosRobot:
    """Records one episode: opens a file, resets, acts, closes the file.

    Its random numbers depend on the number of finished episodes, which a killed episode does
    not change; file numbers continue after every existing file.
    """

    def __init__(
        self,
        caller: Caller,
        plan: Plan,
        finished: int,
        collected: int,
        tell: OnFeedback,
        healthy: Callable[[], None],
        fault_since: Callable[[float], FaultKind],
        policy_version: Callable[[], int],
        scene: Scene,
    ) -> None:
        """`finished` and `collected` are the numbers of finished episodes and their steps in the
        run.

        `healthy` returns when there is no fault; it may wait for an operator.
        `fault_since` returns control's fault since a monotonic time, `policy_version` the version
        of the weights that the learner has published.
        """
        self._caller, self._plan, self._tell, self._scene = caller, plan, tell, scene
        self._healthy, self._policy_version = healthy, policy_version
        self._fault_since = fault_since
        self._finished, self._collected = finished, collected

    def run_episode(self, goal: SentGoal | None) -> Episode:
        """Return the end record of a closed file.

        An episode that a fault aborted stays recorded and is tried again.

        So is one that a person discarded, any number of times. Raises DeviceError if a fault
        does not end, or too many follow one another.
        """
        episode = None
        failed = discarded = 0
        while failed < TRIES:
            if failed > 0:  # the last fault may go on for seconds
                self._caller.waiter.pause(min(2.0 ** (failed - 1), _LONGEST_PAUSE))

            if self._caller.waiter.stopped:
                raise InterruptedWaitError("stopped by the operator")

            self._healthy()
            if not self._scene.reset():
                failed += 1
                continue

            episode = self._try_episode(goal, failed + discarded)
            if episode.end != Episode.ABORTED:
                self._finished += 1
                self._collected += episode.steps
                return episode

            if episode.reason == DISCARDED:
                failed, discarded = 0, discarded + failed + 1  # earlier faults have ended
                continue

            failed += 1
            if episode.fault == FaultKind.NONE and not self._caller.waiter.stopped:
                raise DeviceError(f"episode {episode.episode} was aborted: {episode.reason}")

        last = (
            episode.reason
            if episode is not None
            else "a scripted motion that did not come to its end"
        )
        raise DeviceError(tried_in_vain(last))

    def _try_episode(self, goal: SentGoal | None, attempt: int) -> Episode:
        plan = self._plan
        begin = Episode(
            method=plan.method, seed=plan.seed, max_steps=plan.steps, goal_novelty=float("nan")
        )
        if goal is not None:
            begin.goal, begin.goal_novelty = goal.name, goal.novelty

        opening = BeginEpisode.Request(begin=begin, configuration=plan.configuration)
        self._caller.service(BeginEpisode, names.BEGIN_EPISODE, opening)
        begun = time.monotonic()
        try:
            start = self._caller.service(
                Reset, names.RESET, Reset.Request(seed=plan.seed + self._finished)
            ).stamp
            result = self._act(start, goal, attempt)
        except DeviceError as error:
            result = RunEpisode.Result(
                end=Episode.ABORTED, reason=str(error), fault=int(self._kind_of(error, begun))
            )

        ending = EndEpisode.Request(
            end=result.end,
            reason=result.reason,
            fault=result.fault,
            steps=result.steps,
            final_stamp=result.final_stamp,
        )
        episode: Episode = self._caller.service(EndEpisode, names.END_EPISODE, ending).episode

        return episode

    def _kind_of(self, error: DeviceError, begun: float) -> FaultKind:
        if isinstance(error, SilenceError):  # a node, or its machine, does not answer
            return FaultKind.CONNECTION

        # the arm could not go home: control mostly knows the fault, or soon will
        if isinstance(error, RefusedError):
            with suppress(SilenceError):
                self._caller.waiter.until(
                    lambda: bool(self._fault_since(begun)), _WORD_OF_CONTROL, lambda: ""
                )
            return self._fault_since(begun) or FaultKind.OTHER

        return FaultKind.NONE

    def _act(self, start: Time, goal: SentGoal | None, attempt: int) -> RunEpisode.Result:
        plan = self._plan
        request = RunEpisode.Goal(steps=plan.steps, seed=plan.seed, not_before=start)
        request.explore = method(plan.method).explores
        request.episode, request.attempt = self._finished, attempt
        request.first_step, request.policy_version = self._collected, self._policy_version()

        if goal is not None:
            request.goal, request.goal_ee_position = goal.image, goal.ee_position

        return self._caller.action(
            names.RUN_EPISODE, request, plan.step_timeout * plan.steps, self._tell
        )


class RosLearner:
    """The learner node."""

    def __init__(self, caller: Caller, update_timeout: float) -> None:
        self._caller, self._update_timeout = caller, update_timeout
        self.episodes_learned: int = self._train(0).episodes_learned

    def update(self, store: object, steps: int) -> dict[str, float]:
        """Learn for `steps` steps.

        The new weights, version `episodes_learned`, then arrive soon.
        """
        del store
        result = self._train(steps)
        self.episodes_learned = result.episodes_learned
        return dict(zip(result.names, result.values, strict=True))

    def _train(self, steps: int) -> Train.Result:
        timeout = self._caller.timeout + self._update_timeout * steps
        result = self._caller.action(names.TRAIN, Train.Goal(steps=steps), timeout)
        if not result.success:
            raise DataError(f"{names.TRAIN}: {result.message}")
        return result


class RosNovelty:
    """The novelty node."""

    def __init__(
        self, caller: Caller, choice: str, candidates: int, seed: int, fit_timeout: float
    ) -> None:
        self._caller, self._choice, self._candidates = caller, choice, candidates
        self._seed, self._fit_timeout = seed, fit_timeout
        self.cycles_fitted: int = self._fit(0, 0).cycles_fitted

    def select_goal(self, store: CountedStore) -> SentGoal | None:
        """Choose a stored image; None for a method without goals and before the first episode."""
        if not self._choice or store.episodes == 0:
            return None

        request = SelectGoal.Request(
            choice=self._choice, candidates=self._candidates, seed=self._seed
        )
        chosen = self._caller.service(SelectGoal, names.SELECT_GOAL, request)

        return SentGoal(
            chosen.goal, chosen.ee_position, f"{chosen.episode}/{chosen.step}", chosen.novelty
        )

    def fit(self, images: int, epochs: int) -> dict[str, float]:
        """Fit to the images of the last episodes."""
        result = self._fit(images, epochs)
        self.cycles_fitted = result.cycles_fitted
        return {"rnd_loss_first": result.loss_first, "rnd_loss_last": result.loss_last}

    def _fit(self, episodes: int, epochs: int) -> FitNovelty.Result:
        goal = FitNovelty.Goal(episodes=episodes, epochs=epochs)
        result = self._caller.action(names.FIT_NOVELTY, goal, self._fit_timeout)
        if not result.success:
            raise DataError(f"{names.FIT_NOVELTY}: {result.message}")
        return result
