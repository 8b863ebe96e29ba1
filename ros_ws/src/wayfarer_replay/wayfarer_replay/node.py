"""Records each episode as one MCAP file of a rosbag2 directory.

This is the replay buffer; a closed file is safe to read.

Messages are written unchanged, as serialised bytes. Only small ones are deserialised, to know when
all have arrived.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.task import Future
from wayfarer_bags.bag import EpisodeWriter
from wayfarer_bags.channels import channel_of
from wayfarer_bags.files.recorded import header_stamp
from wayfarer_bags.message_types import types_of_packages
from wayfarer_bags.run_description import describe
from wayfarer_bags.run_directory import RunWriter
from wayfarer_common import contract
from wayfarer_common.contract import Topic
from wayfarer_common.conversions import to_nanoseconds, to_stamp
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, DataError, WayfarerError
from wayfarer_msgs.msg import Action, Episode, ExecutedAction
from wayfarer_msgs.srv import BeginEpisode, EndEpisode

from wayfarer_replay.arrivals import Arrivals
from wayfarer_replay.params import Params

_TICK = 0.02  # s
_REQUIRED = (
    contract.OBSERVATION_IMAGE,
    contract.POLICY_ACTION,
    contract.EXECUTED,
    contract.CURRENT_POSE,
)
_WHERE_PRESENT = (
    contract.JOINT_STATES,
    contract.ROBOT_STATE,
    contract.OBJECT_POSE,
    contract.TARGET_POSE,
    contract.TARGET_GRIPPER,
    contract.ACKNOWLEDGEMENT,
    contract.CONTROL_FAULT,
    contract.CAMERA_FAULT,
    contract.TELEOP_COMMAND,
    contract.CAMERA_INFO,
    contract.TF,
)
_OF_THE_WRIST = (contract.WRIST_INFO, contract.WRIST_FAULT)
# standing messages: repeated at the beginning of each episode's file
_STANDING = (contract.TF_STATIC, contract.MARKERS)


@dataclass
class OpenEpisode:
    """The open episode."""

    writer: EpisodeWriter
    begin: Episode
    arrivals: Arrivals
    # request, deadline
    ending: tuple[EndEpisode.Request, float, Future] | None = None  # type: ignore[type-arg]


class Recorder(ContractNode):
    """Offers replay/begin_episode and replay/end_episode.

    Announces closed files on replay/episode.
    """

    def __init__(self) -> None:
        super().__init__("replay")
        self._params = declare(self, Params)
        if not self._params.run:
            raise ConfigError(
                "node replay: parameter run is empty: name the directory to record into"
            )

        self._run = RunWriter(Path(self._params.run).resolve())
        self._types = types_of_packages(
            Path(get_package_share_directory(p)) for p in ("wayfarer_msgs", "franka_msgs")
        )
        self._recording: OpenEpisode | None = None

        # topic -> last messages, as many as its history keeps
        self._standing: dict[str, deque[bytes]] = {}

        # ns between the ROS clock and the bag's clock; set when an episode begins
        self._shift: int | None = None
        self._described = False
        self._closed = self.publish_to(contract.REPLAY_EPISODE)
        required = [*_REQUIRED]
        recorded = [*_REQUIRED, *_WHERE_PRESENT, *_STANDING]

        if self._params.camera_images:
            recorded.append(contract.CAMERA_IMAGE)

        if self._params.wrist:
            required.append(contract.WRIST_OBSERVATION)
            recorded += [contract.WRIST_OBSERVATION, *_OF_THE_WRIST]
            if self._params.camera_images:
                recorded.append(contract.WRIST_IMAGE)

        for topic in recorded:
            self._record(topic, required=topic in required)

        self._channels = [
            channel_of(t.plain, self._name_in_bag(t.name))
            for t in [*recorded, contract.REPLAY_EPISODE]
        ]
        self.offer(BeginEpisode, names.BEGIN_EPISODE, self._on_begin)
        self.offer(EndEpisode, names.END_EPISODE, self._on_end)
        self.create_timer(_TICK, self._finish_if_due, clock=self.steady)

    def close(self) -> None:
        """End an open episode as aborted; its recorded messages stay."""
        if self._recording is not None:
            self._finish(EndEpisode.Request(end=Episode.ABORTED, reason="the recorder was stopped"))
        self._run.release()

    def _name_in_bag(self, name: str) -> str:
        """Return the contract's name of a topic, even if it is remapped.

        So bags read the same for every back end.
        """
        return self.resolve_topic_name(name, only_expand=True)

    def _record(self, topic: Topic, required: bool) -> None:
        resolved = self._name_in_bag(topic.name)
        notes: dict[str, Callable[[bytes, Arrivals], None]] = {
            names.OBSERVATION_IMAGE: self._note_image,
            names.WRIST_OBSERVATION: self._note_wrist,
            names.POLICY_ACTION: self._note_action,
            names.EXECUTED: self._note_executed,
            names.CURRENT_POSE: self._note_pose,
            names.OBJECT_POSE: partial(self._note_beside, topic.name),
            names.JOINT_STATES: partial(self._note_beside, topic.name),
        }
        note = notes.get(topic.name)
        said: deque[bytes] = deque(maxlen=topic.plain.quality.depth)

        if topic in _STANDING:
            self._standing[resolved] = said

        def write(raw: bytes) -> None:
            if topic in _STANDING:
                said.append(raw)

            recording = self._recording
            if recording is None:
                return

            try:
                self._write(recording, resolved, raw)
            except DataError:
                self._recording = None  # the file stays as it is and can be recovered
                raise

            self.counts["messages"] += 1
            if note is not None:
                note(raw, recording.arrivals)
                self._finish_if_due()

        self.subscribe_to(topic, write, raw=True, required=required)

    @staticmethod
    def _note_image(raw: bytes, arrivals: Arrivals) -> None:
        arrivals.images.add(header_stamp(raw))

    @staticmethod
    def _note_wrist(raw: bytes, arrivals: Arrivals) -> None:
        if arrivals.wrist is not None:
            arrivals.wrist.add(header_stamp(raw))

    @staticmethod
    def _note_action(raw: bytes, arrivals: Arrivals) -> None:
        arrivals.actions[deserialize_message(raw, Action).step] = header_stamp(raw)

    @staticmethod
    def _note_executed(raw: bytes, arrivals: Arrivals) -> None:
        arrivals.executed.add(deserialize_message(raw, ExecutedAction).step)

    @staticmethod
    def _note_pose(raw: bytes, arrivals: Arrivals) -> None:
        arrivals.poses.add(header_stamp(raw))

    @staticmethod
    def _note_beside(name: str, raw: bytes, arrivals: Arrivals) -> None:
        arrivals.beside[name] = max(header_stamp(raw), arrivals.beside.get(name, 0))

    def _on_begin(
        self, request: BeginEpisode.Request, response: BeginEpisode.Response
    ) -> BeginEpisode.Response:
        if self._recording is not None:
            response.message = (
                f"episode {self._recording.begin.episode} is still open: end it first"
            )
            return response

        try:
            if not self._described:
                self._run.describe(
                    describe(self._run.description(), yaml.safe_load(request.configuration))
                )
                self._described = True

            begin = request.begin
            begin.event, begin.run = Episode.BEGIN, str(self._run.path)
            begin.episode = self._run.next_number()
            path = self._run.episode_path(begin.episode)
            begin.file = path.name
            recording = OpenEpisode(
                EpisodeWriter(path, self._channels, self._types),
                begin,
                Arrivals(wrist=set() if self._params.wrist else None),
            )
            self._write_record(recording, begin)

            for topic, said in self._standing.items():
                for raw in said:
                    self._write(recording, topic, raw)

            self._recording = recording
        except WayfarerError as error:
            response.message = str(error)
            return response

        response.success, response.episode, response.file = True, begin.episode, begin.file

        return response

    async def _on_end(
        self, request: EndEpisode.Request, response: EndEpisode.Response
    ) -> EndEpisode.Response:
        if self._recording is None or self._recording.ending is not None:
            response.message = "no episode is open, or its end was asked for already"
            return response

        done: Future = Future()  # type: ignore[type-arg]
        self._recording.ending = (request, time.monotonic() + self._params.complete_timeout, done)
        self._finish_if_due()
        response.episode = await done
        response.success = True

        return response

    def _finish_if_due(self) -> None:
        """Close the episode whose end was requested, when all messages have arrived or the timeout
        is over.
        """
        if self._recording is None or self._recording.ending is None:
            return

        request, deadline, done = self._recording.ending
        final = to_nanoseconds(request.final_stamp)
        arrivals = self._recording.arrivals
        incomplete = request.end != Episode.ABORTED and (
            arrivals.lost(request.steps, final) or arrivals.behind(final)
        )
        if incomplete and time.monotonic() < deadline:
            return

        try:
            done.set_result(self._finish(request))
        except DataError as error:
            self.fail(error)

    def _finish(self, request: EndEpisode.Request) -> Episode:
        recording, self._recording = self._take(), None
        arrivals, end = recording.arrivals, recording.begin
        end.event, end.end, end.reason, end.fault = (
            Episode.END,
            request.end,
            request.reason,
            request.fault,
        )
        end.steps = max(request.steps, len(arrivals.actions))
        final = to_nanoseconds(request.final_stamp) or arrivals.after_last_action()
        end.final_stamp = to_stamp(final)
        end.lost_steps = arrivals.lost(end.steps, final)
        self._write_record(recording, end)
        recording.writer.close()
        self._run.add(recording.writer.path)
        self.counts["episodes"] += 1
        self.counts["lost steps"] += end.lost_steps
        self._closed.publish(end)

        return end

    def _take(self) -> OpenEpisode:
        if self._recording is None:
            raise DataError("no episode is open")
        return self._recording

    def _write_record(self, recording: OpenEpisode, record: Episode) -> None:
        record.header.stamp = self.get_clock().now().to_msg()
        self._write(recording, self._name_in_bag(names.REPLAY_EPISODE), serialize_message(record))

    def _write(self, recording: OpenEpisode, topic: str, raw: bytes) -> None:
        """Write a message with the robot's clock as log time and the wall clock as publish time."""
        now = self.get_clock().now().nanoseconds
        if self._shift is None:
            self._shift = self._run.shift(now)
        recording.writer.write(topic, raw, now + self._shift, time.time_ns())


def main() -> None:
    """Run the node."""
    run(Recorder)
