"""One episode, one MCAP file: writing it as it happens, and putting its steps together again by their stamps."""

import contextlib
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import CompressionType, Writer
from numpy.typing import NDArray
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError
from rosbags.typesys.store import Typestore
from wayfarer_common import names
from wayfarer_common.errors import DataError
from zstandard import ZstdError

from wayfarer_policies.replay.episode import End, Episode, EpisodeInfo
from wayfarer_policies.replay.message_types import add_schema, base_types

OPEN_SUFFIX = ".part"  # an episode that is being written, or whose recorder was killed
_CHUNK = 256 * 1024  # bytes: small enough for random access, large enough to compress (docs/performance.md)
_NANOSECONDS = 1_000_000_000
# What mcap, zstandard and rosbags raise over bytes that are not what was written
_DAMAGE = (
    *(McapError, ZstdError, TypesysError, SerdeError, struct.error),
    *(EOFError, ValueError, LookupError, AttributeError, TypeError),
)


@dataclass(frozen=True)
class Channel:
    """A recorded topic."""

    topic: str
    type: str  # as in sensor_msgs/msg/Image
    qos: str  # rosbag2's YAML list of the offered profiles


class EpisodeWriter:
    """Writes PATH.part and gives it its own name once it is complete and on the disk."""

    def __init__(self, path: Path, channels: list[Channel], types: Typestore) -> None:
        self.path = path
        self._open_path = path.with_name(path.name + OPEN_SUFFIX)
        try:
            self._file = self._open_path.open("xb")
            self._writer = Writer(self._file, chunk_size=_CHUNK, compression=CompressionType.ZSTD)
            self._writer.start(profile="ros2", library="wayfarer")
            self._ids = {c.topic: self._register(c, types) for c in channels}
        except OSError as error:
            raise DataError(f"cannot write {self._open_path}: {error.strerror}") from error
        self._counts = dict.fromkeys(self._ids, 0)

    def write(self, topic: str, cdr: bytes, log_time: int) -> None:
        """Append one serialised message; `log_time` in nanoseconds. Raises DataError when the disk refuses."""
        try:
            self._counts[topic] += 1
            self._writer.add_message(self._ids[topic], log_time, cdr, log_time, self._counts[topic])
        except OSError as error:
            raise DataError(f"cannot write {self._open_path}: {error.strerror}") from error

    def close(self) -> None:
        """Finish the file, wait until the disk has it, and give it its final name."""
        try:
            self._writer.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._open_path.rename(self.path)
            _sync_directory(self.path.parent)
        except OSError as error:
            raise DataError(f"cannot finish {self._open_path}: {error.strerror}") from error

    def _register(self, channel: Channel, types: Typestore) -> int:
        text, _ = types.generate_msgdef(channel.type, ros_version=2)
        schema = self._writer.register_schema(channel.type, "ros2msg", text.encode())
        id_: int = self._writer.register_channel(channel.topic, "cdr", schema, {"offered_qos_profiles": channel.qos})
        return id_


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def header_stamp(cdr: bytes) -> int:
    """Return the stamp [ns] of a serialised message that begins with a header, without deserialising it."""
    seconds, nanoseconds = struct.unpack_from("<iI", cdr, 4)  # behind CDR's four bytes
    return int(seconds) * _NANOSECONDS + int(nanoseconds)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a missing or damaged file makes the libraries raise into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged: {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class Message:
    """One recorded message; `name` is the contract's, whatever namespace it was recorded under."""

    name: str
    type: str
    cdr: bytes
    log_time: int  # ns

    @property
    def stamp(self) -> int:
        """Header stamp [ns]."""
        return header_stamp(self.cdr)


_NAMES = (
    names.OBSERVATION_IMAGE,
    names.POLICY_ACTION,
    names.EXECUTED,
    names.CURRENT_POSE,
    names.OBJECT_POSE,
    names.REPLAY_EPISODE,
)


def _contract_name(topic: str) -> str:
    return next((name for name in _NAMES if topic == name or topic.endswith("/" + name)), topic)


def messages(path: Path, types: Typestore, topics: Sequence[str] | None = None) -> Iterator[Message]:
    """Yield a file's messages (of some topics, by their recorded names) in log order, teaching `types` their schemas.

    An unfinished file yields what it holds up to its torn end. Raises DataError for a damaged finished file.
    """
    torn = path.name.endswith(OPEN_SUFFIX)
    known: set[str] = set()
    with reading(path), path.open("rb") as file:
        try:
            reader = NonSeekingReader(file) if torn else make_reader(file, validate_crcs=True)
            for schema, channel, message in reader.iter_messages(topics, log_time_order=not torn):
                if schema is not None and schema.name not in known:
                    add_schema(types, schema.name, schema.data.decode())
                    known.add(schema.name)
                name = schema.name if schema is not None else ""
                yield Message(_contract_name(channel.topic), name, message.data, message.log_time)
        except _DAMAGE:
            if not torn:
                raise


@dataclass
class _Parts:
    """The messages of one episode, sorted by what they say and when."""

    records: list[Any]
    images: dict[int, bytes]  # stamp -> CDR
    actions: dict[int, Any]  # step -> message
    executed: dict[tuple[int, int], Any]  # step and stamp -> message
    poses: dict[int, bytes]
    objects: dict[int, bytes]
    types: Typestore


def _sort(path: Path) -> _Parts:
    types = base_types()
    parts = _Parts([], {}, {}, {}, {}, {}, types)
    by_stamp: Mapping[str, dict[int, bytes]] = {
        names.OBSERVATION_IMAGE: parts.images,
        names.CURRENT_POSE: parts.poses,
        names.OBJECT_POSE: parts.objects,
    }
    for message in messages(path, types):
        if message.name in by_stamp:
            by_stamp[message.name][message.stamp] = message.cdr
        elif message.name == names.REPLAY_EPISODE:
            parts.records.append(types.deserialize_cdr(message.cdr, message.type))
        elif message.name == names.POLICY_ACTION:
            action: Any = types.deserialize_cdr(message.cdr, message.type)
            parts.actions[action.step] = action
        elif message.name == names.EXECUTED:
            executed: Any = types.deserialize_cdr(message.cdr, message.type)
            key = executed.step, _nanoseconds(executed.header.stamp)  # one between episodes names an older step
            parts.executed.setdefault(key, executed)  # a later hold repeats the step it interrupts
    return parts


def read_episode(path: Path, with_images: bool = True) -> Episode:
    """Put an episode together. Raises DataError for a damaged file or one without a begin record.

    Without images (they are then (T + 1, 0, 0, 3)) it is much faster; `valid` is the same either way.
    """
    with reading(path):
        return _put_together(_sort(path), path, with_images)


def _put_together(parts: _Parts, path: Path, with_images: bool) -> Episode:
    info, final_stamp = _info(parts, path)
    steps = max([info.steps, *(k + 1 for k in parts.actions)])
    stamps = np.zeros(steps + 1, dtype=np.int64)  # (T + 1,)
    for k, action in parts.actions.items():
        stamps[k] = _nanoseconds(action.header.stamp)
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
    return Episode(
        info=info,
        stamps=stamps,
        images=_images(parts, stamps, with_images),
        requested=requested,
        actions=executed,
        reasons=reasons,
        seen=seen,
        valid=seen[:-1] & seen[1:] & np.isfinite(executed).all(axis=1),
        ee_positions=_poses(parts.poses, stamps, parts.types)[:, :3],
        object_poses=_poses(parts.objects, stamps, parts.types) if parts.objects else None,
    )


def read_info(path: Path) -> EpisodeInfo:
    """Return only what an episode's records say: fast, for a whole run. Raises DataError for a damaged file."""
    types = base_types()
    with reading(path):
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
        channels = summary.channels.values() if summary is not None else ()
        topics = [c.topic for c in channels if _contract_name(c.topic) == names.REPLAY_EPISODE]
        records = [types.deserialize_cdr(m.cdr, m.type) for m in messages(path, types, topics)] if topics else []
        return _info(_Parts(records, {}, {}, {}, {}, {}, types), path)[0]


def _info(parts: _Parts, path: Path) -> tuple[EpisodeInfo, int]:
    """Merge the begin and end records; also return the stamp of the final observation, 0 where it is unknown."""
    if not parts.records:
        raise DataError(f"{path} holds no episode record: not written by wayfarer_replay, or torn in its first chunk")
    last = parts.records[-1]
    ended = last.event == last.END
    info = EpisodeInfo(
        number=int(last.episode),
        method=last.method,
        seed=int(last.seed),
        max_steps=int(last.max_steps),
        goal=last.goal,
        goal_novelty=float(last.goal_novelty),
        end=End(last.end) if ended else End.UNFINISHED,
        reason=last.reason if ended else "the recorder was killed",
        steps=int(last.steps) if ended else len(parts.actions),
    )
    return info, _nanoseconds(last.final_stamp) if ended else 0


def _images(parts: _Parts, stamps: NDArray[np.int64], wanted: bool) -> NDArray[np.uint8]:
    decoded = {}
    if wanted:
        for k, stamp in enumerate(stamps.tolist()):
            if stamp in parts.images:
                image = parts.types.deserialize_cdr(parts.images[stamp], "sensor_msgs/msg/Image")
                decoded[k] = image.data.reshape(image.height, image.width, 3)  # type: ignore[attr-defined]
    shape = next((pixels.shape for pixels in decoded.values()), (0, 0, 3))
    images = np.zeros((len(stamps), *shape), dtype=np.uint8)  # (T + 1, H, W, 3)
    for k, pixels in decoded.items():
        images[k] = pixels
    return images


def _poses(recorded: dict[int, bytes], stamps: NDArray[np.int64], types: Typestore) -> NDArray[np.float64]:
    """Return the pose at, or last before, each stamp, (T + 1, 7); NaN where there is none."""
    poses = np.full((len(stamps), 7), np.nan)
    times = np.array(sorted(recorded), dtype=np.int64)
    for k, stamp in enumerate(stamps):
        index = int(np.searchsorted(times, stamp, side="right")) - 1
        if stamp > 0 and index >= 0:
            pose = types.deserialize_cdr(recorded[int(times[index])], "geometry_msgs/msg/PoseStamped").pose  # type: ignore[attr-defined]
            p, q = pose.position, pose.orientation
            poses[k] = p.x, p.y, p.z, q.x, q.y, q.z, q.w
    return poses


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * _NANOSECONDS + int(stamp.nanosec)
