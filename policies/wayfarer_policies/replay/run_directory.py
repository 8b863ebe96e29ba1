"""A run: a rosbag2 directory of one MCAP file per episode, with metadata.yaml and run.yaml beside them."""

import fcntl
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, TextIO

import yaml
from mcap.reader import make_reader
from wayfarer_common.errors import ConfigError, DataError

from wayfarer_policies.atomic import write_atomically
from wayfarer_policies.replay.bag import OPEN_SUFFIX, read_info, reading
from wayfarer_policies.replay.episode import End

_EPISODE = re.compile(rf"episode_(\d{{6,}})\.mcap({re.escape(OPEN_SUFFIX)})?")
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # compiled where PyYAML has it: it runs after every episode
_METADATA_VERSION = 9  # of rosbag2's metadata.yaml


@dataclass(frozen=True)
class FileSummary:
    """What metadata.yaml says of one file. Times in nanoseconds."""

    name: str
    start: int
    end: int
    channels: Mapping[str, tuple[str, str, int]]  # topic -> (type, offered QoS, messages)


class RunDirectory:
    """A run on disk. Opening it changes nothing."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise DataError(f"{path} is not a directory; a run is the directory given to `wayfarer collect --out`")
        if not (path / "run.yaml").is_file():
            raise DataError(f"{path} is not a run: it has no run.yaml; see `wayfarer collect --help`")
        self.path = path

    def episodes(self) -> dict[int, Path]:
        """Return the closed episode files by number, in order."""
        return self._files(closed=True)

    def torn(self) -> dict[int, Path]:
        """Return the files of episodes whose recorder never closed them, by number."""
        return self._files(closed=False)

    def missing(self, noted: Iterable[str]) -> list[str]:
        """Return the episode files that `noted` or metadata.yaml names and that are not there, open or closed."""
        there = {file.name for file in self.episodes().values()}
        # a recorder that is killed while it closes a file has noted the digest, and not yet given it its name
        there |= {file.name.removesuffix(OPEN_SUFFIX) for file in self.torn().values()}
        try:
            listed = self.listed()
        except DataError:
            listed = []
        return sorted(name for name in {*noted, *listed} - there if _EPISODE.fullmatch(name))

    def listed(self) -> list[str]:
        """Return the files that metadata.yaml names. DataError where it cannot be read."""
        path = self.path / "metadata.yaml"
        try:
            found = yaml.safe_load(path.read_text())
            return [str(name) for name in found["rosbag2_bagfile_information"]["relative_file_paths"]]
        except (OSError, yaml.YAMLError, LookupError, TypeError) as error:
            raise DataError(f"cannot be read, so `ros2 bag` cannot open the run: {error}") from error

    def next_number(self) -> int:
        """Return the number of the next episode: one past every number in use, torn ones included."""
        return max([-1, *self.episodes(), *self.torn()]) + 1

    def episode_path(self, number: int) -> Path:
        """Return where the closed file of an episode lies, or will lie."""
        return self.path / f"episode_{number:06d}.mcap"

    def description(self) -> dict[str, Any]:
        """Return run.yaml; DataError where it is not a mapping."""
        try:
            content = yaml.safe_load((self.path / "run.yaml").read_text())
        except (OSError, yaml.YAMLError) as error:
            raise DataError(f"cannot read {self.path / 'run.yaml'}: {error}") from error
        if not isinstance(content, dict):
            raise DataError(f"{self.path / 'run.yaml'} is not a mapping")
        return content

    def _files(self, closed: bool) -> dict[int, Path]:
        found = {}
        for path in self.path.iterdir():
            match = _EPISODE.fullmatch(path.name)
            if match and (match.group(2) is None) == closed:
                found[int(match.group(1))] = path
        return dict(sorted(found.items()))


class RunWriter(RunDirectory):
    """A run that is being recorded: one writer at a time holds its lock."""

    def __init__(self, path: Path) -> None:
        """Create the directory, or continue the run in it. Raises ConfigError for a directory of something else."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not (path / "run.yaml").exists():
                if any(path.iterdir()):
                    raise ConfigError(f"{path} exists and is not a run: choose a new or an empty directory")
                write_atomically(path / "run.yaml", "{}\n")
            self._lock = lock(path / "run.lock")
        except OSError as error:
            raise ConfigError(f"cannot write to {path}: {error.strerror}") from error
        try:
            super().__init__(path)
            self._summaries = [summarise(file) for file in self.episodes().values()]
        except BaseException:  # which keeps its frames alive, and in them the lock
            self.release()
            raise

    def describe(self, description: Mapping[str, Any]) -> None:
        """Replace run.yaml."""
        write_atomically(self.path / "run.yaml", yaml.safe_dump(dict(description), sort_keys=False))

    def add(self, file: Path) -> None:
        """Take a closed episode file into metadata.yaml."""
        self.add_all([file])

    def add_all(self, files: Iterable[Path]) -> None:
        """Take closed episode files into metadata.yaml."""
        self._summaries.extend(summarise(file) for file in files)
        self.write_metadata()

    def write_metadata(self) -> None:
        """Rewrite metadata.yaml atomically from what is known of each file."""
        write_metadata(self.path, self._summaries)

    def release(self) -> None:
        """Let another process write to this run."""
        self._lock.close()


def finished(path: Path) -> tuple[int, int]:
    """Count a run's episodes that came to their end, and their steps, by their end records; 0 where there is no run."""
    if not (path / "run.yaml").is_file():
        return 0, 0
    infos = [read_info(file) for file in RunDirectory(path).episodes().values()]
    steps = [info.steps for info in infos if info.end in (End.TERMINATED, End.TRUNCATED)]
    return len(steps), sum(steps)


def summarise(file: Path) -> FileSummary:
    """Read what a finished MCAP file says of itself. Raises DataError for a damaged one."""
    with reading(file), file.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    if summary is None or summary.statistics is None:
        raise DataError(f"{file} is damaged: it has no summary")
    counts = summary.statistics.channel_message_counts
    channels = {  # the same words in every file of a run: kept once
        intern(c.topic): (
            intern(summary.schemas[c.schema_id].name),
            intern(c.metadata.get("offered_qos_profiles", "")),
            counts.get(c.id, 0),
        )
        for c in summary.channels.values()
    }
    statistics = summary.statistics
    return FileSummary(file.name, statistics.message_start_time, statistics.message_end_time, channels)


def configuration_digest(configuration: Mapping[str, Any]) -> str:
    """Return what run.yaml notes of its configuration as `configuration_sha256`."""
    return hashlib.sha256(yaml.safe_dump(configuration, sort_keys=True).encode()).hexdigest()


def write_metadata(folder: Path, summaries: Sequence[FileSummary]) -> None:
    """Write the metadata.yaml of a rosbag2 directory of these files."""
    content = {"rosbag2_bagfile_information": _metadata(summaries)}
    write_atomically(folder / "metadata.yaml", yaml.dump(content, Dumper=_DUMPER, sort_keys=False))


def lock(path: Path) -> TextIO:
    """Keep other recorders off a run for as long as the file is open. ConfigError where one is writing to it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise ConfigError(f"another recorder is writing to {path.parent}: one run takes one recorder") from error
    return file


def _metadata(files: Sequence[FileSummary]) -> dict[str, Any]:
    start = min((f.start for f in files), default=0)
    end = max((f.end for f in files), default=0)
    topics: dict[str, tuple[str, str, int]] = {}
    for file in files:
        for topic, (kind, qos, count) in file.channels.items():
            topics[topic] = (kind, qos, topics.get(topic, ("", "", 0))[2] + count)
    return {
        "version": _METADATA_VERSION,
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
                    "offered_qos_profiles": yaml.safe_load(qos) or [],
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
        "ros_distro": "kilted",
    }
