"""Put an episode's messages together by what they say and when, wherever they were recorded."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys.store import Typestore
from wayfarer_common import names
from wayfarer_common.errors import DataError
from wayfarer_common.fault import FaultKind

from wayfarer_policies.replay.episode import End, Episode, EpisodeInfo
from wayfarer_policies.replay.fresh import fresh

_NANOSECONDS = 1_000_000_000


def header_stamp(cdr: bytes) -> int:
    """Return the stamp [ns] of a serialised message that begins with a header, without deserialising it."""
    seconds, nanoseconds = struct.unpack_from("<iI", cdr, 4)  # behind CDR's four bytes
    return int(seconds) * _NANOSECONDS + int(nanoseconds)


CONTRACT_NAMES = (
    names.OBSERVATION_IMAGE,
    names.POLICY_ACTION,
    names.EXECUTED,
    names.CURRENT_POSE,
    names.OBJECT_POSE,
    names.REPLAY_EPISODE,
)


@lru_cache(maxsize=1024)
def contract_name(topic: str) -> str:
    """Return the contract's name of a topic recorded under any namespace; other topics keep theirs."""
    return next((name for name in CONTRACT_NAMES if topic == name or topic.endswith("/" + name)), topic)


@dataclass(frozen=True)
class Message:
    """One recorded message."""

    topic: str  # as it was recorded
    type: str
    cdr: bytes
    log_time: int  # ns

    @property
    def name(self) -> str:
        """The contract's name of its topic, whatever namespace it was recorded under."""
        return contract_name(self.topic)

    @property
    def stamp(self) -> int:
        """Header stamp [ns]."""
        return header_stamp(self.cdr)


@dataclass
class Parts:
    """The messages of one episode, sorted by what they say and when."""

    types: Typestore
    records: list[Any] = field(default_factory=list)
    images: dict[int, bytes] = field(default_factory=dict)  # stamp -> CDR
    actions: dict[int, Any] = field(default_factory=dict)  # step -> message
    executed: dict[tuple[int, int], Any] = field(default_factory=dict)  # step and stamp -> message
    poses: dict[int, bytes] = field(default_factory=dict)  # stamp -> CDR
    objects: dict[int, bytes] = field(default_factory=dict)  # stamp -> CDR
    observed_at: dict[int, int] = field(default_factory=dict)  # stamp of an image -> log time
    answered_at: dict[int, int] = field(default_factory=dict)  # step of an action -> log time

    @classmethod
    def of(cls, messages: Iterable[Message], types: Typestore) -> Self:
        """Sort the messages of one episode; `types` must know theirs by the time each comes."""
        parts = cls(types)
        for message in messages:
            parts.add(message)
        return parts

    def add(self, message: Message) -> None:
        """Take one message."""
        by_stamp = {
            names.OBSERVATION_IMAGE: self.images,
            names.CURRENT_POSE: self.poses,
            names.OBJECT_POSE: self.objects,
        }.get(message.name)
        if by_stamp is not None:
            by_stamp[message.stamp] = message.cdr
            if by_stamp is self.images:
                self.observed_at[message.stamp] = message.log_time
        elif message.name == names.REPLAY_EPISODE:
            self.records.append(self.types.deserialize_cdr(message.cdr, message.type))
        elif message.name == names.POLICY_ACTION:
            action: Any = self.types.deserialize_cdr(message.cdr, message.type)
            self.actions[action.step] = action
            self.answered_at[action.step] = message.log_time
        elif message.name == names.EXECUTED:
            executed: Any = self.types.deserialize_cdr(message.cdr, message.type)
            key = executed.step, nanoseconds(executed.header.stamp)  # one between episodes names an older step
            self.executed.setdefault(key, executed)  # a later hold repeats the step it interrupts


def put_together(parts: Parts, path: Path, with_images: bool = True) -> Episode:
    """Make an episode of its messages. Raises DataError where no record tells which episode it is."""
    info, final_stamp = read_records(parts, path)
    return assemble(parts, info, final_stamp, path, with_images)


def assemble(parts: Parts, info: EpisodeInfo, final_stamp: int, path: Path, with_images: bool = True) -> Episode:
    """Join the steps of an episode by their stamps; `final_stamp` is the last observation's, 0 where it is unknown.

    Raises DataError, naming `path`, for images that are not RGB or not of one size.
    """
    steps = max([info.steps, *(k + 1 for k in parts.actions)])
    stamps = np.zeros(steps + 1, dtype=np.int64)  # (T + 1,)
    for k, action in parts.actions.items():
        stamps[k] = nanoseconds(action.header.stamp)
    stamps[steps] = final_stamp
    seen = np.array([int(s) in parts.images for s in stamps])  # (T + 1,)
    requested = np.full((steps, 3), np.nan, dtype=np.float32)
    executed = np.full((steps, 3), np.nan, dtype=np.float32)
    reasons = np.zeros(steps, dtype=np.uint16)
    for k, action in parts.actions.items():
        requested[k] = action.action
        record = parts.executed.get((k, int(stamps[k])))
        if record is not None:
            executed[k], reasons[k] = record.executed, record.reasons
    ee_positions = _poses(parts.poses, stamps, parts.types)[:, :3]
    complete = seen & np.isfinite(ee_positions).all(axis=1)  # (T + 1,)
    return Episode(
        info=info,
        stamps=stamps,
        images=_images(parts, stamps, path) if with_images else np.zeros((steps + 1, 0, 0, 3), np.uint8),
        requested=requested,
        actions=executed,
        reasons=reasons,
        seen=seen,
        valid=complete[:-1] & complete[1:] & np.isfinite(executed).all(axis=1),
        ee_positions=ee_positions,
        object_poses=_poses(parts.objects, stamps, parts.types) if parts.objects else None,
        observed_at=np.array([parts.observed_at.get(s, 0) for s in stamps.tolist()], dtype=np.int64),
        answered_at=np.array([parts.answered_at.get(k, 0) for k in range(steps)], dtype=np.int64),
    )


def read_records(parts: Parts, path: Path) -> tuple[EpisodeInfo, int]:
    """Merge the begin and end records; also return the stamp of the final observation, 0 where it is unknown."""
    if not parts.records:
        raise DataError(f"{path} holds no episode record: not written by wayfarer_replay, or torn in its first chunk")
    last = parts.records[-1]
    if last.event == last.END:
        return info_of(last), nanoseconds(last.final_stamp)
    killed = replace(info_of(last), end=End.UNFINISHED, reason="the recorder was killed", steps=len(parts.actions))
    return killed, 0


def info_of(record: Any) -> EpisodeInfo:
    """Return what a wayfarer_msgs/Episode says."""
    return EpisodeInfo(
        number=int(record.episode),
        method=record.method,
        seed=int(record.seed),
        max_steps=int(record.max_steps),
        goal=record.goal,
        goal_novelty=float(record.goal_novelty),
        end=End(record.end),
        reason=record.reason,
        steps=int(record.steps),
        lost_steps=int(record.lost_steps),
        fault=FaultKind(getattr(record, "fault", 0)),  # the field came after the first bags
    )


def _images(parts: Parts, stamps: NDArray[np.int64], path: Path) -> NDArray[np.uint8]:
    decoded = {}
    for k, stamp in enumerate(stamps.tolist()):
        if stamp in parts.images:
            image: Any = parts.types.deserialize_cdr(parts.images[stamp], "sensor_msgs/msg/Image")
            if image.encoding != "rgb8":
                raise DataError(f"{path}: the image of step {k} is {image.encoding!r}, an observation is 'rgb8'")
            decoded[k] = image.data.reshape(image.height, image.width, 3)
    shape = next((pixels.shape for pixels in decoded.values()), (0, 0, 3))
    images = np.zeros((len(stamps), *shape), dtype=np.uint8)  # (T + 1, H, W, 3)
    for k, pixels in decoded.items():
        if pixels.shape != shape:
            raise DataError(f"{path}: the image of step {k} has shape {pixels.shape}, an earlier one {shape}")
        images[k] = pixels
    return images


def _poses(recorded: dict[int, bytes], stamps: NDArray[np.int64], types: Typestore) -> NDArray[np.float64]:
    """Return the pose at, or less than a period before, each stamp, (T + 1, 7); NaN where there is none."""
    poses = np.full((len(stamps), 7), np.nan)
    times = np.array(sorted(recorded), dtype=np.int64)
    for k, index in enumerate(fresh(times, stamps).tolist()):
        if index >= 0:
            pose = types.deserialize_cdr(recorded[int(times[index])], "geometry_msgs/msg/PoseStamped").pose  # type: ignore[attr-defined]
            p, q = pose.position, pose.orientation
            poses[k] = p.x, p.y, p.z, q.x, q.y, q.z, q.w
    return poses


def nanoseconds(stamp: Any) -> int:
    """Return a stamp message in nanoseconds."""
    return int(stamp.sec) * _NANOSECONDS + int(stamp.nanosec)
