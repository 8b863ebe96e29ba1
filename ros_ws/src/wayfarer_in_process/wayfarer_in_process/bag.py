"""Writes an episode's messages as CDR without ROS.

Topics, types and records are the same as the recorder's.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import EpisodeWriter
from wayfarer_bags.channels import channel_of
from wayfarer_bags.episode import ActionSource, End
from wayfarer_bags.files.recorded import header_stamp
from wayfarer_bags.run_directory import RunWriter
from wayfarer_common.teleop import Command
from wayfarer_core import names, topics
from wayfarer_core.fault import FaultKind
from wayfarer_core.rotation import quaternion_of_matrix
from wayfarer_core.safety import Decision
from wayfarer_core.targets import CLOSED, Grip, Gripping
from wayfarer_core.topics import Topic
from wayfarer_report.view.shapes import Shape

from wayfarer_in_process.messages import Messages

Vector = NDArray[np.float64]

_RECORDED = (
    topics.OBSERVATION_IMAGE,
    topics.POLICY_ACTION,
    topics.EXECUTED,
    topics.CURRENT_POSE,
    topics.JOINT_STATES,
    topics.OBJECT_POSE,
    topics.TARGET_POSE,
    topics.TARGET_GRIPPER,
    topics.ACKNOWLEDGEMENT,
    topics.TELEOP_COMMAND,
    topics.CAMERA_INFO,
    topics.TF,
    topics.TF_STATIC,
    topics.MARKERS,
    topics.CONTROL_FAULT,  # no fault is ever published here on this and the next topic
    topics.CAMERA_FAULT,
    topics.REPLAY_EPISODE,
)
_OF_THE_WRIST = (topics.WRIST_OBSERVATION, topics.WRIST_INFO, topics.WRIST_FAULT)
_NOWHERE = np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0])  # the values of an empty Pose message


@dataclass(frozen=True)
class Head:
    """The data of an episode before it begins."""

    method: str
    seed: int
    max_steps: int
    # number of finished episodes before it: the policy's and the world's random numbers depend on
    # it
    number: int
    goal: str  # "" or "episode/step"
    goal_novelty: float  # NaN without a goal


class Recorder:
    """Opens the episode files of a run."""

    def __init__(
        self, run: RunWriter, namespace: str, wrist: bool, gripper_width: float = CLOSED
    ) -> None:
        """With `wrist` there is a camera in the hand, too.

        `gripper_width` is what the gripper opens to [m]; 0: it is no part of an action.
        """
        recorded = (*_RECORDED, *_OF_THE_WRIST) if wrist else _RECORDED
        self._run, self._messages = run, Messages()
        self._gripper_width = gripper_width
        # ns between the robot's clock and the bag's; set when an episode begins
        self._shift: int | None = None
        # an absolute name is in no namespace
        self._names = {
            name: name if name.startswith("/") else f"{namespace}/{name}"
            for name in (topic.name for topic in recorded)
        }
        self._channels = [channel_of(topic, self._names[topic.name]) for topic in recorded]

    def begin(self, head: Head, now: int) -> "EpisodeRecording":
        """Open the next file; `now` in nanoseconds."""
        if self._shift is None:
            self._shift = self._run.shift(now)

        path = self._run.episode_path(number := self._run.next_number())
        writer = EpisodeWriter(path, self._channels, self._messages.types)
        kind = "wayfarer_msgs/msg/Episode"
        begin = self._messages.make(
            kind,
            header=self._messages.header(now, ""),
            event=self._messages.types.types[kind].BEGIN,  # type: ignore[attr-defined]
            run=str(self._run.path),
            file=path.name,
            episode=number,
            method=head.method,
            seed=head.seed,
            max_steps=head.max_steps,
            goal=head.goal,
            goal_novelty=head.goal_novelty,
            end=int(End.UNFINISHED),
            reason="",
            fault=0,
            steps=0,
            lost_steps=0,
            final_stamp=self._messages.time(0),
        )

        return EpisodeRecording(
            self._run,
            writer,
            self._messages,
            self._names,
            head.number,
            begin,
            self._shift,
            self._gripper_width,
        )


class EpisodeRecording:
    """One open episode file."""

    def __init__(
        self,
        run: RunWriter,
        writer: EpisodeWriter,
        messages: Messages,
        named: dict[str, str],
        number: int,
        begin: Any,
        shift: int,
        gripper_width: float,
    ) -> None:
        self._gripper_width = gripper_width
        self._run, self._writer, self._messages, self._names = run, writer, messages, named
        self._number, self._begin, self._shift = number, begin, shift
        self.steps = 0
        self._last_image = self._last_action = 0  # ns
        self._write(topics.REPLAY_EPISODE, begin)

    def image(self, pixels: NDArray[np.uint8], stamp: int) -> None:
        """Write an observation (H, W, 3)."""
        self._image(topics.OBSERVATION_IMAGE, pixels, names.CAMERA_FRAME, stamp)
        self._last_image = stamp

    def wrist_image(self, pixels: NDArray[np.uint8], stamp: int) -> None:
        """Write an image of the camera in the hand (H, W, 3)."""
        self._image(topics.WRIST_OBSERVATION, pixels, names.WRIST_FRAME, stamp)

    def pose(self, topic: Topic, position: Vector, quaternion: Vector, stamp: int) -> None:
        """Write a pose: (3,) [m] and xyzw (4,), base frame."""
        pose = self._messages.pose(position, quaternion)
        self._write(
            topic,
            self._messages.make(
                "geometry_msgs/msg/PoseStamped", self._messages.header(stamp), pose
            ),
        )

    def lens(self, K: Vector, size: tuple[int, int], stamp: int) -> None:
        """Write the intrinsics for an image: K (3, 3), width and height [pixel]."""
        info = self._messages.camera_info(K, size, stamp, names.CAMERA_FRAME)
        self._write(topics.CAMERA_INFO, info)

    def wrist_lens(self, K: Vector, size: tuple[int, int], stamp: int) -> None:
        """Write the same of the camera in the hand."""
        info = self._messages.camera_info(K, size, stamp, names.WRIST_FRAME)
        self._write(topics.WRIST_INFO, info)

    def frame(self, child: str, position: Vector, quaternion: Vector, stamp: int) -> None:
        """Write the pose of a moving frame: (3,) [m] and xyzw (4,), base frame."""
        base = self._messages.header(stamp)
        moved = self._messages.transform(base, child, position, quaternion)
        self._write(topics.TF, moved, stamp)

    def standing_frame(
        self, parent: str, child: str, T_parent_child: NDArray[np.float64], now: int
    ) -> None:
        """Write the pose (4, 4) [m] of a frame that is fixed in another one."""
        where = T_parent_child[:3, 3], quaternion_of_matrix(T_parent_child[:3, :3])
        standing = self._messages.transform(self._messages.header(0, parent), child, *where)
        self._write(topics.TF_STATIC, standing, now)

    def scene(self, shapes: Iterable[Shape], now: int) -> None:
        """Write all markers for viewers."""
        self._write(topics.MARKERS, self._messages.markers(shapes), now)

    def joints(
        self, called: Sequence[str], position: Vector, velocity: Vector, effort: Vector, stamp: int
    ) -> None:
        """Write the joints' angles [rad], velocities [rad/s] and torques [N m], each (7,).

        Behind them fingers: [m], [m/s], [N].
        """
        values = [
            list(called),
            *(np.asarray(v, dtype=np.float64) for v in (position, velocity, effort)),
        ]
        kind = "sensor_msgs/msg/JointState"
        self._write(
            topics.JOINT_STATES,
            # joints are in no frame
            self._messages.make(kind, self._messages.header(stamp, ""), *values),
        )

    def action(
        self,
        action: NDArray[np.float32],
        version: int,
        last: bool,
        stamp: int,
        source: ActionSource,
    ) -> None:
        """Write the action of the policy (weights of `version`) or a person for the observation
        with stamp `stamp`.
        """
        header, kind = self._messages.header(stamp), "wayfarer_msgs/msg/Action"
        self._write(
            topics.POLICY_ACTION,
            self._messages.make(
                kind, header, self._number, self.steps, action, version, last, int(source)
            ),
        )
        self.steps, self._last_action = self.steps + 1, stamp

    def command(self, command: Command, now: int) -> None:
        """Write a person's command.

        Its stamp is the wall clock's; `now` is the simulator's [ns].
        """
        header = self._messages.header(round(command.stamp * 1e9))
        kind = "wayfarer_msgs/msg/TeleopCommand"
        message = self._messages.make(
            kind,
            header,
            command.action,
            command.engaged,
            float(command.gripper),
            int(command.mark),
        )
        self._write(topics.TELEOP_COMMAND, message, now)

    def executed(self, requested: NDArray[np.float32], decision: Decision, stamp: int) -> None:
        """Write the safety gate's result for the last action, the command, and the simulator's
        acknowledgement.
        """
        target = decision.target
        if self._gripper_width > CLOSED:
            self._grip(decision.grip, stamp)

        pose = _NOWHERE if target is None else (target.position, target.quaternion)
        record = self._messages.make(
            "wayfarer_msgs/msg/ExecutedAction",
            header=self._messages.header(stamp),
            episode=self._number,
            step=self.steps - 1,
            requested=requested,
            executed=decision.executed.astype(np.float32),
            target=self._messages.pose(*pose),
            commanded=target is not None,
            reasons=int(decision.reasons),
        )

        if target is not None:
            self.pose(topics.TARGET_POSE, target.position, target.quaternion, stamp)
            kind = "wayfarer_msgs/msg/Acknowledgement"
            self._write(
                topics.ACKNOWLEDGEMENT,
                self._messages.make(kind, self._messages.header(stamp), True, 0, ""),
            )

        self._write(topics.EXECUTED, record)

    def _grip(self, grip: Grip, stamp: int) -> None:
        """Write what the gripper is told beside a target."""
        gripping = Gripping.of(grip, self._gripper_width)
        header, kind = self._messages.header(stamp), "wayfarer_msgs/msg/GripperTarget"
        told = self._messages.make(kind, header, int(gripping.grip), gripping.width)
        self._write(topics.TARGET_GRIPPER, told)

    def end(self, end: End, reason: str, now: int, fault: FaultKind = FaultKind.NONE) -> Any:
        """Write the end record, close the file, add it to metadata.yaml; return the record."""
        final = self._last_image if self._last_image > self._last_action else 0
        record = replace(
            self._begin,
            header=self._messages.header(now, ""),
            event=self._begin.END,
            end=int(end),
            reason=reason,
            fault=int(fault),
            steps=self.steps,
            lost_steps=int(self.steps > 0 and final == 0),  # then the last action has no next image
            final_stamp=self._messages.time(final),
        )
        self._write(topics.REPLAY_EPISODE, record)
        self._writer.close()
        self._run.add(self._writer.path)

        return record

    def _image(self, topic: Topic, pixels: NDArray[np.uint8], frame: str, stamp: int) -> None:
        height, width, _ = pixels.shape
        header = self._messages.header(stamp, frame)
        data = np.ascontiguousarray(pixels).reshape(-1)
        kind = "sensor_msgs/msg/Image"
        self._write(
            topic, self._messages.make(kind, header, height, width, "rgb8", 0, 3 * width, data)
        )

    def _write(self, topic: Topic, message: Any, now: int | None = None) -> None:
        cdr = self._messages.cdr(message)
        log_time = (header_stamp(cdr) if now is None else now) + self._shift
        self._writer.write(self._names[topic.name], cdr, log_time, time.time_ns())
