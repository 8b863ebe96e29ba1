"""The nodes' parameters from a launch file, for the one process that does all their work."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml
from wayfarer_actor.params import Params as ActorParams
from wayfarer_camera.params import Params as CameraParams
from wayfarer_collector.params import Params as CollectorParams
from wayfarer_control.params import Params as ControlParams
from wayfarer_core.errors import ConfigError
from wayfarer_core.options import KEYBOARD, NO_DEVICE
from wayfarer_core.parameter import checked
from wayfarer_launch.collection import Collection, launch_arguments
from wayfarer_launch.launch_file import Launch, NodeSpec, read_launch_file
from wayfarer_launch.nodes import find_launch_file, share_of
from wayfarer_learner.params import Params as LearnerParams
from wayfarer_novelty.params import Params as NoveltyParams
from wayfarer_sim_bridge.params import Params as BridgeParams

P = TypeVar("P")

_LAUNCH_FILE = "sim.launch.xml"
_OF_ROS_ITSELF = "use_sim_time"
_RECORDER, _VIEW = "replay", "view"
_TOLD = {"run", "wrist"}  # parameters that the launch file itself gives the recorder
_LEARNING = ("learner", "novelty")  # the nodes that compute with several threads
# for runs from before this limit existed; the simulated hand always points down
_NO_LIMIT_YET = {"control": {"max_turn": 3.2}}
_TRANSPORT = {"transport": "in process"}  # in run.yaml among the collector's parameters


@dataclass(frozen=True)
class Configuration:
    """The parameters of every node whose work is done here.

    Those of learner and novelty matter only if the method learns.
    """

    namespace: str
    nodes: tuple[str, ...]  # that the launch file would start
    sim_bridge: BridgeParams
    camera: CameraParams
    wrist_camera: CameraParams  # used only with a camera in the hand
    actor: ActorParams
    control: ControlParams
    collector: CollectorParams
    learner: LearnerParams
    novelty: NoveltyParams

    def description(self) -> dict[str, dict[str, Any]]:
        """Return node -> parameter -> value, for run.yaml."""
        named = {node: asdict(getattr(self, node)) for node in self.nodes}
        named["collector"] |= _TRANSPORT

        return {
            node: {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in values.items()
            }
            for node, values in named.items()
        }


def simulator_launch(wanted: Collection) -> Launch:
    """Read the simulator's launch file for a collection. Raises ConfigError for another target."""
    if wanted.target != "sim":
        raise ConfigError(f"--in-process runs the simulator only, not target {wanted.target!r}")

    return read_launch_file(find_launch_file(_LAUNCH_FILE), launch_arguments(wanted), share_of)


def parameters_of(launch: Launch) -> Configuration:
    """Return the parameters that a launch gives the nodes, except recorder and view.

    Raises ConfigError for invalid ones.
    """
    given = {
        spec.name: _values(spec) for spec in launch.nodes if spec.name not in (_RECORDER, _VIEW)
    }

    def of(kind: type[P], node: str) -> P:
        return checked(kind, node, given.get(node, {}))

    return Configuration(
        namespace=launch.nodes[0].namespace.rstrip("/"),
        nodes=tuple(given),
        sim_bridge=of(BridgeParams, "sim_bridge"),
        camera=of(CameraParams, "camera"),
        wrist_camera=of(CameraParams, "wrist_camera"),
        actor=of(ActorParams, "actor"),
        control=of(ControlParams, "control"),
        collector=of(CollectorParams, "collector"),
        learner=of(LearnerParams, "learner"),
        novelty=of(NoveltyParams, "novelty"),
    )


def configuration_of(launch: Launch) -> Configuration:
    """Return the parameters of a launch.

    Raises ConfigError for invalid ones, and for those that need ROS.
    """
    recorder = {
        key for spec in launch.nodes if spec.name == _RECORDER for key in _values(spec)
    } - _TOLD
    if recorder:
        raise ConfigError(
            "--in-process records without the node replay: take out its "
            f"{', '.join(sorted(recorder))}"
        )

    configuration = parameters_of(launch)
    if not configuration.sim_bridge.lockstep:
        raise ConfigError("--in-process has no wall clock: sim_bridge.lockstep must be true")
    if configuration.collector.scene_reset != "none":
        raise ConfigError(
            "--in-process puts the cube back itself: collector.scene_reset must be none"
        )
    for node in ("camera", "wrist_camera"):
        if getattr(configuration, node).source != "topic":
            raise ConfigError(
                f"--in-process sees what the simulator renders: {node}.source must be topic"
            )

    if (device := configuration.actor.teleop_device) not in (NO_DEVICE, KEYBOARD):
        raise ConfigError(f"--in-process has no ROS for a {device}: give --device {KEYBOARD}")

    numbers = {
        node: getattr(configuration, node).threads
        for node in _LEARNING
        if node in configuration.nodes
    }
    if len(set(numbers.values())) > 1:
        said = ", ".join(f"{node}.threads is {number}" for node, number in numbers.items())
        raise ConfigError(
            f"--in-process is one process with one number of threads: {said}; give all the same"
        )

    return configuration


def configuration_of_run(description: Mapping[str, Any], namespace: str) -> Configuration:
    """Return the parameters of a run from its run.yaml.

    Raises ConfigError if they do not fit.
    """
    recorded: Mapping[str, Mapping[str, Any]] = description.get("configuration", {})
    kinds = {
        "sim_bridge": BridgeParams,
        "camera": CameraParams,
        "wrist_camera": CameraParams,
        "actor": ActorParams,
        "control": ControlParams,
        "collector": CollectorParams,
        "learner": LearnerParams,
        "novelty": NoveltyParams,
    }
    unknown = {"sim_bridge", "camera", "control"} - recorded.keys()
    if unknown:
        raise ConfigError(
            f"run.yaml knows nothing of {', '.join(sorted(unknown))}: not collected in the "
            "simulator?"
        )

    known = {node: _NO_LIMIT_YET.get(node, {}) | dict(recorded.get(node, {})) for node in kinds}
    of: dict[str, Any] = {
        node: checked(kind, node, {k: v for k, v in known[node].items() if k in _fields(kind)})
        for node, kind in kinds.items()
    }

    return Configuration(namespace, tuple(recorded), **of)


def _fields(kind: type[Any]) -> set[str]:
    return {f.name for f in fields(kind)}


def _values(spec: NodeSpec) -> dict[str, Any]:
    """Return a node's parameters; the last of several values counts, as in ROS."""
    values: dict[str, Any] = {}
    for key, text in spec.parameters:
        if key == "from":
            for section, body in (yaml.safe_load(Path(text).read_text()) or {}).items():
                if str(section).rsplit("/", 1)[-1] in (spec.name, "**"):
                    values |= body["ros__parameters"] or {}
        else:
            values[key] = yaml.safe_load(text)

    values.pop(_OF_ROS_ITSELF, None)

    return values
