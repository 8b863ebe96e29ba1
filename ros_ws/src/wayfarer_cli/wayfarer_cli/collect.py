"""`wayfarer collect`: starts the nodes of a target and shows how far they are."""

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from wayfarer_bags.run_directory import RunDirectory, RunWriter, finished
from wayfarer_common import contract
from wayfarer_common.ros import start_ros
from wayfarer_core.errors import ConfigError
from wayfarer_msgs.msg import CollectorStatus
from wayfarer_policies.exploration.methods import method
from wayfarer_report.console import plain, words_of

from wayfarer_cli.nodes import launch_nodes

_LAUNCH_FILES = {"sim": "sim.launch.xml", "hardware": "hardware.launch.xml"}
_NAMESPACE = "wayfarer"


@dataclass(frozen=True)
class Hardware:
    """Which arm is meant; None: as the launch file says."""

    robot: str | None = None
    robot_ip: str | None = None
    backend: str | None = None

    def arguments(self) -> dict[str, str]:
        """Return what of it was said."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Collection:
    """What is to be collected, how and where to."""

    target: str
    method: str
    episodes: int
    steps: int
    seed: int
    out: Path
    schedule: str
    config: Path | None
    recipe: str = "practical"
    threads: int | None = None  # torch's; None: as the run was begun, and a new one as its schedule allows
    hardware: Hardware = Hardware()  # for target hardware only
    checkpoint: tuple[Path, str] | None = None  # for method offline: the policy's file and its SHA-256


def collect_episodes(wanted: Collection) -> None:
    """Run the launch file of the target to its end. Raises a WayfarerError, or exits as the launch did."""
    if wanted.target not in _LAUNCH_FILES:
        raise ConfigError(f"target {wanted.target!r} is not one of {', '.join(_LAUNCH_FILES)}")
    said = wanted.hardware.arguments()
    if said and wanted.target != "hardware":
        raise ConfigError(f"{', '.join(said)}: only --target hardware has a robot to choose, not {wanted.target}")
    RunWriter(wanted.out).release()  # complains now, rather than after the nodes have started
    if holds_all(wanted):
        return
    with ProgressBar(wanted, finished(wanted.out)[0]) as bar:
        code = launch_nodes(_LAUNCH_FILES[wanted.target], launch_arguments(wanted), bar.console, bar.update)
    if code:
        sys.exit(code)


def holds_all(wanted: Collection) -> bool:
    """Say, also to the user, whether the run holds what is wanted already."""
    done, _ = finished(wanted.out)
    if done >= wanted.episodes:
        print(f"{wanted.out} holds {done} finished episodes already: --episodes {done + 1} or more would add to it")
    return done >= wanted.episodes


def launch_arguments(wanted: Collection) -> dict[str, str]:
    """Return what the launch file is given."""
    given = {
        "run": str(wanted.out.resolve()),
        "method": wanted.method,
        "episodes": str(wanted.episodes),
        "steps": str(wanted.steps),
        "seed": str(wanted.seed),
        "recipe": wanted.recipe,
        "schedule": wanted.schedule,
        "threads": str(threads_of(wanted)),
        "learning": str(method(wanted.method).learns).lower(),
        "namespace": _NAMESPACE,
        **wanted.hardware.arguments(),
    }
    if wanted.checkpoint is not None:
        file, sha256 = wanted.checkpoint
        given |= {"checkpoint": str(file.resolve()), "checkpoint_sha256": sha256}
    if wanted.config is not None:
        given["config"] = str(wanted.config.resolve())
    return given


def threads_of(wanted: Collection) -> int:
    """Return the number of torch's threads.

    A run goes on with the number it was begun with, so that a restart changes no bit. A new one takes all cores where
    nothing acts while it learns, else one.
    """
    if wanted.threads is not None:
        return wanted.threads
    sessions = RunDirectory(wanted.out).description().get("sessions", []) if (wanted.out / "run.yaml").exists() else []
    if sessions:
        return int(sessions[-1].get("threads", 1))  # one, before it was recorded
    alone = method(wanted.method).learns and wanted.schedule == "sequential"
    return len(os.sched_getaffinity(0)) if alone else 1


def make_bar(wanted: Collection, done: int) -> tuple[Progress, TaskID]:
    """Return a progress bar over the steps of a run that holds `done` episodes, and its one task."""
    progress = Progress(
        words_of("task.description"),
        BarColumn(),
        MofNCompleteColumn(),
        words_of("task.fields[rate]"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=plain(stderr=True),
    )
    start, total = done * wanted.steps, wanted.episodes * wanted.steps
    return progress, progress.add_task("starting", total=total, completed=start, rate="")


class ProgressBar:
    """Steps, rate and stage, from the collector's own word."""

    def __init__(self, wanted: Collection, done: int) -> None:
        self._progress, self._task = make_bar(wanted, done)
        self.console = self._progress.console
        self._wanted = wanted
        self._node: Node | None = None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:
            self._progress.stop()
        if self._node is not None:
            self._node.destroy_node()
        rclpy.try_shutdown()

    def update(self) -> None:
        """Listen for a moment; called while the nodes run, whose environment is then in force."""
        if self._node is None:
            self._progress.start()
            start_ros()
            self._node = Node("progress", namespace=_NAMESPACE)
            status = contract.COLLECTOR_STATUS
            self._node.create_subscription(status.type, status.name, self._on_status, status.qos)
            self._executor = SingleThreadedExecutor()
            self._executor.add_node(self._node)
        self._executor.spin_once(timeout_sec=0.0)

    def _on_status(self, status: CollectorStatus) -> None:
        steps = status.episodes_done * self._wanted.steps + status.step
        task = self._progress.tasks[0]
        rate = f"{task.speed:.1f} steps/s" if task.speed else ""
        self._progress.update(
            self._task,
            completed=max(steps, int(task.completed)),
            description=f"episode {status.episode}: {status.stage} {status.detail}",
            rate=rate,
        )
