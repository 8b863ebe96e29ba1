"""Bags of the contract's topics that another recorder wrote (`ros2 bag record`).

MCAP or sqlite3, compressed or not.

Such a bag holds any number of episodes in one stream, in one file or several. The files count, not
the metadata.yaml beside them. Header stamps order the events, because a recorder's clock may go
back and its files may be sorted by that clock. An action of another episode, or with a lower step,
begins the next episode. How an episode ended is known only if replay/episode was recorded.
"""

import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from wayfarer_core import names
from wayfarer_core.errors import DataError

from wayfarer_bags.assembly import Parts, assemble, info_of, nanoseconds
from wayfarer_bags.episode import End, Episode, EpisodeInfo
from wayfarer_bags.files.bag_files import BagFile, files_of, is_bag, opened
from wayfarer_bags.files.damage import reading
from wayfarer_bags.files.recorded import Channel, Message, Source
from wayfarer_bags.files.sqlite_bags import unclosed
from wayfarer_bags.message_types import CONTRACT, decoded, misfit
from wayfarer_bags.run_directory import is_run

_NEEDED = (names.OBSERVATION_IMAGE, names.POLICY_ACTION, names.EXECUTED, names.CURRENT_POSE)
# the observation after the last action must come within this many periods of the episode
_PATIENCE = 3.0
_NEVER = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class _Action:
    said: Any  # wayfarer_msgs/Action
    stamp: int  # ns
    log_time: int  # ns


@dataclass
class _Segment:
    """The actions of one episode, in order."""

    actions: list[_Action] = field(default_factory=list)
    record: Any = None  # its end record, if it was recorded

    @property
    def first(self) -> int:
        return self.actions[0].stamp

    @property
    def last(self) -> int:
        return self.actions[-1].stamp


@dataclass(frozen=True)
class _Image:
    """Where an image lies."""

    file: int  # index of the bag's file
    place: int  # in that file
    log_time: int  # ns
    checksum: int


@dataclass
class _Stream:
    """The content of a whole bag, without pixels."""

    parts: Parts = field(default_factory=Parts)  # executed records, poses
    actions: list[_Action] = field(default_factory=list)  # as they were written
    ends: list[tuple[int, Any]] = field(default_factory=list)  # stamp, record
    images: dict[int, _Image] = field(default_factory=dict)  # by stamp
    wrist: dict[int, _Image] = field(default_factory=dict)  # by stamp


class ForeignBag:
    """A rosbag2 directory without run.yaml, or a single file of one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def holds(path: Path) -> bool:
        """Say whether the path is such a bag."""
        if path.is_dir() and is_run(path):
            return False
        return is_bag(path) or (path / "metadata.yaml").is_file()

    def sources(self) -> list[Source]:
        """Return the whole bag as one source: its episodes are known only after reading."""
        status = [part.stat() for file in files_of(self.path) for part in (file, *unclosed(file))]
        newest = max((s.st_mtime_ns for s in status), default=0)
        return [Source(self.path.name, sum(s.st_size for s in status), newest)]

    def counts(self) -> dict[str, int]:
        """Return how many messages of each topic of the contract were recorded.

        DataError as in `load`.
        """
        with reading(self.path), opened(self.path) as files:
            found = Counter(message.name for file in files for message in file.messages(_fits))
            self._check(files)

        return dict(found)

    def load(self, source: Source) -> Iterator[Episode]:  # noqa: ARG002  there is but one
        """Read the bag's episodes, one after the other.

        DataError for a damaged bag, or one without a topic that is needed.
        """
        with reading(self.path), opened(self.path) as files:
            stream = self._read(files)
            self._check(files)
            yield from self._episodes(files, stream)

    def _read(self, files: Sequence[BagFile]) -> _Stream:
        stream, known = _Stream(), set[tuple[int, int, int]]()
        for number, message in (
            (k, message) for k, file in enumerate(files) for message in file.messages(_fits)
        ):
            with reading(files[number].path):
                if message.name == names.POLICY_ACTION:
                    action = decoded(message)
                    key = message.stamp, int(action.episode), int(action.step)
                    # two recorders received it, and their files were merged
                    if key not in known:
                        known.add(key)
                        stream.actions.append(_Action(action, message.stamp, message.log_time))
                elif message.name == names.REPLAY_EPISODE:
                    record = decoded(message)
                    if record.event == record.END:
                        stream.ends.append(
                            (nanoseconds(record.final_stamp) or message.stamp, record)
                        )
                elif message.name == names.OBSERVATION_IMAGE:
                    self._see(stream.images, message, number)
                elif message.name == names.WRIST_OBSERVATION:
                    self._see(stream.wrist, message, number)
                else:
                    stream.parts.add(message)

        return stream

    def _see(self, images: dict[int, _Image], message: Message, file: int) -> None:
        """Remember where an image lies. DataError if another image has the same stamp."""
        if message.stamp <= 0:
            raise DataError(
                f"{self.path} holds an image without a stamp: nothing tells which action answered "
                "it"
            )

        image = _Image(file, message.place, message.log_time, zlib.crc32(message.cdr))
        if images.setdefault(message.stamp, image).checksum != image.checksum:
            raise DataError(
                f"{self.path} holds two images of the time {message.stamp} ns: the clock was set "
                "back while it was recorded; record one session to a bag"
            )

    def _check(self, files: Sequence[BagFile]) -> None:
        """Raise DataError if the bag lacks a topic, or has one of another type, or of two
        robots.
        """
        channels = _of_contract(files)
        topics = {
            name: sorted({c.topic for c in channels if c.name == name and not misfit(c)})
            for name in CONTRACT
        }
        for name, found in topics.items():
            if len(found) > 1:
                raise DataError(f"{self.path} holds {' and '.join(found)}: one robot to a bag")
            if (
                name in _NEEDED
                and not found
                and (wrong := [misfit(c) for c in channels if c.name == name])
            ):
                raise DataError(f"{self.path} cannot be read: {wrong[0]}")

        if missing := [name for name in _NEEDED if not topics[name]]:
            held = sorted(
                {channel.topic for file in files for channel in file.storage.channels.values()}
            )
            raise DataError(
                f"{self.path} lacks the topics {', '.join(missing)}; it holds "
                f"{', '.join(held) or 'nothing'}"
            )

    def _episodes(self, files: Sequence[BagFile], stream: _Stream) -> Iterator[Episode]:
        segments = self._segments(stream)
        numbers = [int(segment.actions[0].said.episode) for segment in segments]
        if len(set(numbers)) < len(numbers):  # recorded from several runs
            numbers = list(range(len(numbers)))

        stamps, wrist = sorted(stream.images), sorted(stream.wrist)
        poses, objects = sorted(stream.parts.poses), sorted(stream.parts.objects)
        joints = sorted(stream.parts.joints)
        observed_at = {stamp: image.log_time for stamp, image in stream.images.items()}

        for number, segment, limit in zip(numbers, segments, _limits(segments), strict=True):
            final = _final_stamp(segment, stamps, limit)
            wanted = [*(action.stamp for action in segment.actions), final]
            images = _images(files, names.OBSERVATION_IMAGE, stream.images, {*wanted})
            if not images:
                continue

            before = [bisect_right(wrist, stamp) - 1 for stamp in wanted]
            of_wrist = {wrist[place] for place in before if place >= 0}

            parts = replace(
                stream.parts,
                images=images,
                wrist=_images(files, names.WRIST_OBSERVATION, stream.wrist, of_wrist),
                actions={int(action.said.step): action.said for action in segment.actions},
                poses=_during(stream.parts.poses, poses, segment, final),
                objects=_during(stream.parts.objects, objects, segment, final),
                joints=_during(stream.parts.joints, joints, segment, final),
                observed_at=observed_at,
                answered_at={int(action.said.step): action.log_time for action in segment.actions},
            )
            episode = assemble(parts, _info(segment, number, final), final, self.path)
            yield episode if segment.record is not None else _counted(episode)

    def _segments(self, stream: _Stream) -> list[_Segment]:
        """Split the stream into episodes, in the order of their stamps.

        DataError if the clock was set back between two of them.
        """
        segments = _followed(sorted(stream.actions, key=lambda action: action.stamp))

        # sorted by stamps, the actions of two sessions would alternate
        if len(segments) > len(_followed(stream.actions)):
            raise DataError(
                f"{self.path} holds actions of two sessions at the same times: the clock was set "
                "back while it was recorded; record one session to a bag"
            )

        for segment, limit in zip(segments, _limits(segments), strict=True):
            segment.record = next(
                (r for stamp, r in stream.ends if segment.last <= stamp < limit), None
            )

        return segments


def _of_contract(files: Sequence[BagFile]) -> list[Channel]:
    return [
        channel
        for file in files
        for channel in file.storage.channels.values()
        if channel.name in CONTRACT
    ]


def _fits(channel: Channel) -> bool:
    return channel.name in CONTRACT and not misfit(channel)


def _followed(actions: Iterable[_Action]) -> list[_Segment]:
    """Cut actions into episodes: another episode number, or a lower step, begins the next one."""
    segments: list[_Segment] = []
    last: Any = None
    for action in actions:
        if last is None or action.said.episode != last.episode or action.said.step <= last.step:
            segments.append(_Segment())
        segments[-1].actions.append(action)
        last = action.said

    return segments


def _limits(segments: Sequence[_Segment]) -> list[int]:
    """Return for each episode the stamp before which it ends: the next one's first action."""
    return [*(segment.first for segment in segments[1:]), _NEVER][: len(segments)]


def _final_stamp(segment: _Segment, images: Sequence[int], limit: int) -> int:
    """Return the stamp of the observation after the last action, before `limit` [ns].

    0 if none came in time.

    `images` are the stamps of all images, in order.
    """
    if segment.record is not None:
        return nanoseconds(segment.record.final_stamp)

    place = bisect_right(images, segment.last)
    after = images[place] if place < len(images) and images[place] < limit else 0
    gaps = [b.stamp - a.stamp for a, b in pairwise(segment.actions)]
    period = float(np.median(gaps)) if gaps else np.inf

    return after if after - segment.last <= _PATIENCE * period else 0


def _images(
    files: Sequence[BagFile], name: str, images: dict[int, _Image], stamps: set[int]
) -> dict[int, Message]:
    """Read the images of a topic with these stamps, if they exist."""
    places: dict[int, set[int]] = {}
    for image in (images[stamp] for stamp in stamps if stamp in images):
        places.setdefault(image.file, set()).add(image.place)

    def wanted(channel: Channel) -> bool:
        return channel.name == name and not misfit(channel)

    found = dict[int, Message]()
    for number, of_file in places.items():
        for message in files[number].messages(wanted, sorted(of_file)):
            if message.stamp in stamps:
                found[message.stamp] = message

    return found


def _during(
    recorded: dict[int, Message], stamps: Sequence[int], segment: _Segment, final: int
) -> dict[int, Message]:
    """Return the messages recorded during an episode, and the last one before it.

    `stamps` are the stamps of all messages, in order.
    """
    first = max(bisect_right(stamps, segment.first) - 1, 0)
    behind = bisect_right(stamps, max(segment.last, final))
    return {stamp: recorded[stamp] for stamp in stamps[first:behind]}


def _counted(episode: Episode) -> Episode:
    """Count the losses of an episode without an end record."""
    return replace(episode, info=replace(episode.info, lost_steps=episode.lost_steps))


def _info(segment: _Segment, number: int, final: int) -> EpisodeInfo:
    if segment.record is not None:
        return replace(info_of(segment.record), number=number)

    steps = int(segment.actions[-1].said.step) + 1
    came_to_its_end = bool(segment.actions[-1].said.last) and final > 0

    return EpisodeInfo(
        number=number,
        method="",
        seed=0,
        max_steps=steps,
        goal="",
        goal_novelty=float("nan"),
        end=End.TRUNCATED if came_to_its_end else End.UNFINISHED,
        reason="" if came_to_its_end else "the bag does not say how it ended",
        steps=steps,
    )
