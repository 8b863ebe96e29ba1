"""metadata.yaml of a rosbag2 directory.

This module writes it, and compares anybody's metadata.yaml with the files.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any

import yaml
from wayfarer_core import plain_yaml
from wayfarer_core.errors import DataError

from wayfarer_bags import digests
from wayfarer_bags.files.damage import reading
from wayfarer_bags.files.mcap_files import McapFile
from wayfarer_bags.files.recorded import Channel
from wayfarer_bags.files.unpacking import PACKED

NAME = "metadata.yaml"
_KEY = "rosbag2_bagfile_information"
_DUMPER = getattr(
    yaml, "CSafeDumper", yaml.SafeDumper
)  # compiled if PyYAML has it: it runs after every episode
_VERSION = 9  # of rosbag2's metadata.yaml
# Values of rmw's enumerations. rosbag2 writes them as numbers up to Humble, and as words from
# version 9 of the file on.
_POLICIES = {
    "history": ("system_default", "keep_last", "keep_all", "unknown"),
    "reliability": ("system_default", "reliable", "best_effort", "unknown"),
    "durability": ("system_default", "transient_local", "volatile", "unknown"),
    "liveliness": ("system_default", "automatic", "manual_by_node", "manual_by_topic", "unknown"),
}


@dataclass(frozen=True)
class FileSummary:
    """The entry of one file in metadata.yaml. Times in nanoseconds."""

    name: str
    start: int
    end: int
    channels: Mapping[str, tuple[str, str, int]]  # topic -> (type, offered QoS, messages)


def summarise(file: Path) -> FileSummary:
    """Read the summary of a finished MCAP file. Raises DataError for a damaged one."""
    with reading(file), McapFile(file) as mcap:
        statistics = mcap.summary().statistics
        if statistics is None:
            raise DataError(f"{file} is damaged: it has no summary")

        channels: dict[str, tuple[str, str, int]] = {}
        for id_, channel in mcap.channels.items():
            _, _, before = channels.get(channel.topic, ("", "", 0))
            count = before + statistics.channel_message_counts.get(id_, 0)
            # equal in every file of a run: keep one object
            words = intern(channel.type), intern(channel.qos)
            channels[intern(channel.topic)] = *words, count

    return FileSummary(
        file.name, statistics.message_start_time, statistics.message_end_time, channels
    )


# --- writing ---


def write(folder: Path, summaries: Sequence[FileSummary]) -> None:
    """Write the metadata.yaml of a rosbag2 directory of these files, and note its digest."""
    digests.write_noted(
        folder / NAME, yaml.dump({_KEY: _content(summaries)}, Dumper=_DUMPER, sort_keys=False)
    )


def _content(files: Sequence[FileSummary]) -> dict[str, Any]:
    start = min((f.start for f in files), default=0)
    end = max((f.end for f in files), default=0)
    topics: dict[str, tuple[str, str, int]] = {}

    for file in files:
        for topic, (kind, qos, count) in file.channels.items():
            topics[topic] = (kind, qos, topics.get(topic, ("", "", 0))[2] + count)

    return {
        "version": _VERSION,
        "storage_identifier": "mcap",
        "duration": {"nanoseconds": end - start},
        "starting_time": {"nanoseconds_since_epoch": start},
        "message_count": sum(count for _, _, count in topics.values()),
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic,
                    "type": kind,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": _profiles(qos),
                    "type_description_hash": "",
                },
                "message_count": count,
            }
            for topic, (kind, qos, count) in sorted(topics.items())
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [f.name for f in files],
        "files": [
            {
                "path": f.name,
                "starting_time": {"nanoseconds_since_epoch": f.start},
                "duration": {"nanoseconds": f.end - f.start},
                "message_count": sum(count for _, _, count in f.channels.values()),
            }
            for f in files
        ],
        "custom_data": None,
        "ros_distro": "jazzy",
    }


def _profiles(qos: Any) -> list[Any]:
    """Return the quality of service in a channel's metadata, in the words of version 9.

    Empty if it cannot be read.
    """
    try:
        profiles = plain_yaml.parse(qos) if isinstance(qos, str) else qos
    except ValueError:
        return []

    if not isinstance(profiles, list) or not all(isinstance(profile, dict) for profile in profiles):
        return []

    return [{key: _word(key, value) for key, value in profile.items()} for profile in profiles]


def _word(key: str, value: Any) -> Any:
    words = _POLICIES.get(key, ())
    return words[value] if isinstance(value, int) and 0 <= value < len(words) else value


# --- reading ---


def read(folder: Path) -> dict[str, Any]:
    """Return the content of metadata.yaml.

    Raises DataError if it cannot be read, or does not match its digest.
    """
    path = folder / NAME
    content, changed = digests.content_of(path)
    if changed:
        raise DataError(changed)

    try:
        plain_yaml.refuse_pointer(path, content)
        whole = plain_yaml.parse(content)
        about = whole.get(_KEY) if isinstance(whole, dict) else None
        if not isinstance(about, dict):
            raise ValueError(f"it has no {_KEY}" if content.strip() else "it is empty")
    except ValueError as error:
        raise DataError(f"cannot be read, so `ros2 bag` cannot open the bag: {error}") from error

    return about


def listed(about: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that metadata.yaml lists.

    Older versions of rosbag2 put the bag's name before them.
    """
    paths = about.get("relative_file_paths")
    return [Path(str(name)).name for name in paths] if isinstance(paths, list) else []


def differences(
    about: Mapping[str, Any], files: Sequence[str], held: Counter[Channel]
) -> Iterator[tuple[str, bool]]:
    """Say how metadata.yaml differs from the files of a bag, and whether that is damage.

    `files` are their names before compression, `held` the number of messages in them. Damage is
    only: it lists files or messages that do not exist. If its recorder could not write it again,
    it lists less than the files hold.
    """
    yield from of_files(about, files)
    counts = Counter[str]()
    for channel, count in held.items():
        counts[channel.topic] += count

    said = dict(_topics(about))
    told = {topic: _whole(said.get(topic, {}).get("message_count")) for topic in {*said, *counts}}
    for more, what in ((True, "more messages than the files hold"), (False, "not all messages")):
        others = [topic for topic in sorted(told) if told[topic] != counts[topic]]
        topics = [topic for topic in others if (told[topic] > counts[topic]) == more]
        if topics:
            of_each = ", ".join(f"{told[topic]} for {counts[topic]} of {topic}" for topic in topics)
            yield f"counts {what}: {of_each}", more

    described = {topic: of["topic_metadata"] for topic, of in said.items()}
    known = [channel for channel in held if channel.topic in described]
    other = {c.topic for c in known if described[c.topic].get("type") != c.type}

    if other:
        yield f"says another type of {', '.join(sorted(other))} than the files", False

    qos = "offered_qos_profiles"
    other = {c.topic for c in known if _profiles(described[c.topic].get(qos)) != _profiles(c.qos)}
    if other:
        yield f"says another quality of service of {', '.join(sorted(other))} than the files", False


def of_files(about: Mapping[str, Any], files: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Say which files metadata.yaml does not list, and which of its files do not exist.

    The latter are damage.
    """
    names = [name.removesuffix(PACKED) for name in listed(about)]
    if unlisted := [name for name in files if name not in names]:
        yield f"does not list {', '.join(unlisted)}: `ros2 bag` will not see it", False
    if gone := [name for name in names if name not in files]:
        yield f"lists {', '.join(gone)}, which is not there", True


def _topics(about: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    topics = about.get("topics_with_message_count")
    for topic in topics if isinstance(topics, list) else ():
        if isinstance(topic, dict) and isinstance(described := topic.get("topic_metadata"), dict):
            yield str(described.get("name")), topic


def _whole(count: Any) -> int:
    return count if isinstance(count, int) else 0
