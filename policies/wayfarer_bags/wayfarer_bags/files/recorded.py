"""Topics and messages of a bag, and their names in the contract."""

import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from wayfarer_core import names

_NANOSECONDS = 1_000_000_000
_STAMP, _STAMP_BIG_ENDIAN = struct.Struct("<iI"), struct.Struct(">iI")
QOS = "offered_qos_profiles"  # rosbag2's key of a channel's metadata


class UnreadableError(ValueError):
    """We do not read this content of a file, though it may be sound.

    The text says why; the file is its grammatical subject.
    """


def header_stamp(cdr: bytes) -> int:
    """Return the stamp [ns] of a serialised message that begins with a header, without
    deserialising it.
    """
    stamp = (
        _STAMP if cdr[1] & 1 else _STAMP_BIG_ENDIAN
    )  # the second of CDR's four bytes gives the byte order
    seconds, nanoseconds = stamp.unpack_from(cdr, 4)

    return int(seconds) * _NANOSECONDS + int(nanoseconds)


CONTRACT_NAMES = (
    names.OBSERVATION_IMAGE,
    names.WRIST_OBSERVATION,
    names.POLICY_ACTION,
    names.EXECUTED,
    names.CURRENT_POSE,
    names.OBJECT_POSE,
    names.JOINT_STATES,
    names.REPLAY_EPISODE,
)


@lru_cache(maxsize=1024)
def contract_name(topic: str) -> str:
    """Return the contract's name of a topic that was recorded under any namespace.

    Other topics keep their names.
    """
    return next(
        (name for name in CONTRACT_NAMES if topic == name or topic.endswith("/" + name)), topic
    )


@dataclass(frozen=True)
class Source:
    """The bag file that an episode comes from.

    A file with another size or modification time is another source.
    """

    name: str
    size: int  # [bytes]
    mtime_ns: int  # [ns]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Describe a file on disk."""
        status = path.stat()
        return cls(path.name, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Channel:
    """A recorded topic; one that is read from a bag keeps its schema and metadata byte for byte."""

    topic: str
    type: str  # as in sensor_msgs/msg/Image; empty if nothing describes it
    qos: str  # rosbag2's YAML list of the offered profiles
    definition: bytes | None = None  # the schema in its bag; None: use the writer's types
    encoding: str = "ros2msg"  # of the definition; empty if there is none
    message_encoding: str = "cdr"
    metadata: tuple[tuple[str, str], ...] = ()  # in its bag, quality of service included

    @property
    def name(self) -> str:
        """The contract's name of its topic."""
        return contract_name(self.topic)


class Message(NamedTuple):
    """One recorded message."""

    channel: Channel
    cdr: bytes
    log_time: int  # ns
    publish_time: int  # ns
    sequence: int  # its number on the channel; 0 if the recorder does not count
    place: int  # in its file: the first byte of its chunk, or the row

    @property
    def topic(self) -> str:
        """Its topic as it was recorded."""
        return self.channel.topic

    @property
    def type(self) -> str:
        """Its type."""
        return self.channel.type

    @property
    def name(self) -> str:
        """The contract's name of its topic."""
        return contract_name(self.channel.topic)

    @property
    def stamp(self) -> int:
        """Header stamp [ns]."""
        return header_stamp(self.cdr)
