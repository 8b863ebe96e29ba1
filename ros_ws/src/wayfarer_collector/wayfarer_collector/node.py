"""Runs Algorithm 1.

A thread runs the episodes, step by step, while the executor handles messages.

It first waits until the other nodes are connected. Every later wait has a deadline.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_srvs.srv import Trigger
from wayfarer_bags.run_directory import finished
from wayfarer_common import contract
from wayfarer_common.agreement import check_agreement
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import ConfigError
from wayfarer_core.fault import FaultKind
from wayfarer_msgs.action import FitNovelty, RunEpisode, Train
from wayfarer_msgs.msg import CollectorStatus, Fault
from wayfarer_policies.exploration.algorithm_1 import (
    CountedStore,
    Learner,
    LearningSchedule,
    Novelty,
    Overlapped,
    Progress,
    Schedule,
    Sequential,
    Stage,
    explore,
)
from wayfarer_policies.exploration.goals import NoNovelty
from wayfarer_policies.exploration.learners import NoLearner
from wayfarer_policies.exploration.methods import method
from wayfarer_report.live.policy_watch import PolicyWatch, in_words
from wayfarer_report.live.scalars import Scalars

from wayfarer_collector.collaborators import Caller, Plan, RosLearner, RosNovelty, RosRobot
from wayfarer_collector.configuration import read_configuration
from wayfarer_collector.faults import ControlFaults
from wayfarer_collector.params import Params
from wayfarer_collector.scene import Scene, Surroundings, make_scene
from wayfarer_collector.waiting import InterruptedWaitError, Waiter

_PACES: dict[str, Callable[[], LearningSchedule]] = {
    "sequential": Sequential,
    "overlapped": Overlapped,
}
_QUIET = 10.0  # s without change at the start before the log says what is missing
_PAUSE = 30 * 24 * 3600.0  # s, longest pause


class Collector(ContractNode):
    """Offers collector/pause, resume and stop; publishes its progress on collector/status."""

    def __init__(self) -> None:
        super().__init__("collector")
        p = self._params = declare(self, Params)
        if not p.run:
            raise ConfigError(
                "node collector: parameter run is empty: name the directory of the run"
            )

        learning = ["learner", "novelty"] if method(p.method).learns else []
        cameras = ["camera", "wrist_camera"] if p.wrist else ["camera"]
        self._others = [p.bridge, *cameras, "control", "actor", "replay", *learning]
        self._health: dict[str, str] = {}  # node -> why it is not ready, "" if it is
        self._waiting_for: str | None = None
        self._say_at = math.inf  # monotonic s, time of the next log message about it
        self._faults: dict[str, Fault] = {}  # topic -> its last message
        self._control_faults = ControlFaults()
        self._waiter = Waiter()
        self._watch = PolicyWatch()
        self._unpaused = threading.Event()
        self._unpaused.set()
        self._resumed = threading.Event()
        self._now = CollectorStatus(stage="waiting", episodes_total=p.episodes, max_steps=p.steps)
        self._status = self.publish_to(contract.COLLECTOR_STATUS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

        of_wrist = [contract.WRIST_FAULT] if p.wrist else []
        for topic in (contract.CONTROL_FAULT, contract.CAMERA_FAULT, *of_wrist):
            self.subscribe_to(topic, partial(self._on_fault, topic.name))

        self.offer(Trigger, names.PAUSE, self._on_pause)
        self.offer(Trigger, names.RESUME, self._on_resume)
        self.offer(Trigger, names.STOP, self._on_stop)
        actions = {names.RUN_EPISODE: RunEpisode}

        if learning:
            actions |= {names.TRAIN: Train, names.FIT_NOVELTY: FitNovelty}

        self._caller = Caller(self, self._waiter, p.service_timeout, actions)
        self._thread = threading.Thread(target=self._work, name="algorithm", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread of Algorithm 1."""
        self._waiter.close()
        self._thread.join(timeout=2.0)

    # --- the algorithm's thread ---

    def _work(self) -> None:
        try:
            self._collect()
        except InterruptedWaitError:
            if self._waiter.stopped:
                self._tell(stage="stopped")
        except BaseException as error:  # noqa: BLE001  not hidden: the process ends with it
            self.fail(error)
        finally:
            self.finished = True

    def _collect(self) -> None:
        p = self._params
        self._waiter.until(self._ready, p.startup_timeout, self._unready)
        caller = self._caller
        chosen = method(p.method)
        schedule = Schedule(p.episodes, p.episodes_per_cycle, p.steps, p.epochs)
        done, steps = finished(Path(p.run))
        self._now.episodes_done = done
        configuration = read_configuration(self, self._others, self._waiter, p.service_timeout)
        check_agreement(yaml.safe_load(configuration))
        plan = Plan(p.method, p.steps, p.seed, p.step_timeout, configuration)
        around = Surroundings(
            caller,
            self._tell,
            lambda: self._control_faults.now,
            self._resumed,
            p.scene_timeout,
            p.step_timeout,
        )
        scene = make_scene(p.scene_reset, configuration, around)

        def step(feedback: RunEpisode.Feedback) -> None:
            self._tell(step=feedback.step)

        candidates = p.candidates or p.episodes_per_cycle * p.steps  # |R'| = M T
        learner: Learner[Any] = NoLearner()
        novelty: Novelty[Any, Any, Any] = NoNovelty()

        if chosen.learns:
            learner = RosLearner(caller, p.update_timeout)
            novelty = RosNovelty(caller, chosen.goal_choice, candidates, p.seed, p.fit_timeout)

        def version() -> int:
            return learner.episodes_learned if chosen.learns else 0

        robot = RosRobot(
            caller,
            plan,
            done,
            steps,
            step,
            self._healthy,
            self._control_faults.since,
            version,
            _Restoring(scene, self),
        )
        with Scalars(Path(p.run)) as self._scalars:
            explore(
                schedule,
                robot,
                CountedStore(done),
                learner,
                novelty,
                self._observe,
                _PACES[p.schedule](),
            )

    def _observe(self, progress: Progress) -> None:
        """Publish the progress of Algorithm 1.

        An operator's pause or stop takes effect here, between two episodes.
        """
        self._scalars.write(progress)
        if progress.stage is Stage.SELECTING:
            if not self._unpaused.is_set():
                self._tell(stage="paused")
                self._waiter.until(self._unpaused.is_set, _PAUSE, lambda: "paused for too long")

            if self._waiter.stopped:
                raise InterruptedWaitError("stopped by the operator")

        if progress.stage in (Stage.LEARNED, Stage.FITTED):
            if progress.detail:
                figures = in_words(progress.detail)
                self.get_logger().info(
                    f"{progress.stage.value} after episode {progress.episode}: {figures}"
                )
                if warning := self._watch.warning(progress.detail):
                    self.get_logger().warning(warning)

            return

        if progress.stage is Stage.STORING:
            self._now.episodes_done += 1

        detail = (
            f"for {progress.detail.name}"
            if progress.stage is Stage.ACTING and progress.detail
            else ""
        )
        if progress.stage is Stage.ACTING and method(self._params.method).by_hand:
            detail = "by hand: start, then success, failure or discard"

        self._tell(stage=progress.stage.value, episode=progress.episode, step=0, detail=detail)

    def _tell(self, **news: Any) -> None:
        for field, value in news.items():
            setattr(self._now, field, value)
        self._now.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(self._now)

    def _healthy(self) -> None:
        """Wait until control and camera report no fault.

        Meanwhile the status says what it waits for.
        """
        waiter, said = self._waiter, ""

        def well() -> bool:
            nonlocal said
            wrong = self._wrong()
            if wrong and wrong != said:
                said = wrong
                self._tell(stage="faulted", detail=wrong)
                self.get_logger().warning(f"waiting: {wrong}")

            return not wrong or waiter.stopped

        with self.restored_status():
            waiter.until(well, self._params.fault_timeout, self._wrong)

        if waiter.stopped:
            raise InterruptedWaitError("stopped by the operator")

    @contextmanager
    def restored_status(self) -> Iterator[None]:
        """Restore the present status after a wait."""
        stage, detail = self._now.stage, self._now.detail
        yield
        if (self._now.stage, self._now.detail) != (stage, detail):
            self._tell(stage=stage, detail=detail)

    def _wrong(self) -> str:
        faults = [fault for fault in self._faults.values() if fault.kind != Fault.NONE]
        ack = (
            "; say `wayfarer ack` once it is put right"
            if any(f.needs_operator for f in faults)
            else ""
        )

        return "; ".join(fault.text for fault in faults) + ack

    def _on_fault(self, topic: str, message: Fault) -> None:
        self._faults[topic] = message
        if topic == names.CONTROL_FAULT:
            self._control_faults.hear(FaultKind(message.kind), time.monotonic())

    def _ready(self) -> bool:
        unready = self._unready()
        if unready != self._waiting_for:
            self._waiting_for, self._say_at = unready, time.monotonic() + _QUIET
            self._tell(stage="waiting", detail=unready)
        elif unready and time.monotonic() > self._say_at:
            self._say_at = math.inf
            unheard = {"learner", "novelty"} & (set(self._others) - self._health.keys())
            hint = (
                f"; method {self._params.method} learns: learning:=true starts them"
                if unheard
                else ""
            )
            self.get_logger().warning(f"waiting: {unready}{hint}")

        return not unready

    def _unready(self) -> str:
        states = [(name, self._health.get(name, "not heard of")) for name in self._others]
        return "; ".join(f"{name}: {state}" for name, state in states if state)

    # --- the executor's thread ---

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.hardware_id == self.get_namespace():
                self._health[status.name] = (
                    "" if status.level == DiagnosticStatus.OK else status.message
                )

    def _on_pause(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._unpaused.clear()
        response.success, response.message = True, "pausing after this episode"
        return response

    def _on_resume(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._unpaused.set()
        self._resumed.set()
        response.success, response.message = True, "going on"
        return response

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._waiter.stop()
        self._unpaused.set()
        response.success, response.message = True, "ending this episode, then stopping"
        return response


class _Restoring:
    """A scene after which the status is restored."""

    def __init__(self, scene: Scene, node: Collector) -> None:
        self._scene, self._node = scene, node

    def reset(self) -> bool:
        """Reset the scene."""
        with self._node.restored_status():
            return self._scene.reset()


def main() -> None:
    """Run the node."""
    run(Collector)
