"""Makes a LeRobot dataset from bags by a map; it reads each bag twice.

It reads first the times of all messages, then the messages that the frames need.
"""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.files.bag_files import BagFile, opened
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.buffer import Progress

from wayfarer_export.foreign.decode import Compressed
from wayfarer_export.foreign.map import Map
from wayfarer_export.foreign.resample import FrameStretch, gaps, resample
from wayfarer_export.foreign.survey import Survey, Track, features_of, in_order, said_by, survey
from wayfarer_export.lerobot_files import Column, Feature, LeRobotWriter, Picture, new_dataset

_PART_FRAMES, _PART_BYTES = 64, 16 << 20  # of one write
_WAITING = 512 << 20  # bytes of images that may wait for the other topics of their frames
# JPEGs that are decoded for statistics: every tenth, but at least 100 of a bag
_EACH, _AT_LEAST = 10, 100
_SHARE = 100  # units of progress for each reading of a bag


@dataclass
class Report:
    """What was made of the bags."""

    frames: int = 0
    episodes: int = 0
    too_short: int = 0  # stretches left out
    oldest: dict[str, float] = field(
        default_factory=dict
    )  # feature -> greatest age of a value in a frame [s]
    passed_over: Counter[str] = field(
        default_factory=Counter
    )  # messages not used, by topic and reason
    without: list[Path] = field(default_factory=list)  # bags without any usable part
    size: int = 0  # bytes of the messages read


def convert(
    bags: Sequence[Path],
    mapping: Map,
    where: Path,
    out: Path,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Write the dataset folder `out` from bags of any topics; `where` is the path of the map.

    Each unbroken stretch is an episode. Raises ConfigError if the map does not fit, DataError
    for damaged bags and for those that the map refuses; it then leaves no files.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already: choose another name")

    report, known = Report(), dict[str, Feature]()
    with contextlib.ExitStack() as stack:
        writer: LeRobotWriter | None = None
        for number, bag in enumerate(bags):
            with opened(bag) as files:
                found = survey(bag, files, mapping, where)
                features = features_of(found.tracks, list(mapping.features))
                if writer is None:
                    known = features
                    dataset = new_dataset(out, features, mapping.rate, mapping.task, mapping.robot)
                    writer = stack.enter_context(dataset)
                    writer.note = {"bags": [str(bag) for bag in bags], "map": mapping.as_json()}

                _same(bag, features, bags[0], known)

                def so_far(done: int, everything: int, number: int = number) -> None:
                    share = _SHARE + _SHARE * done // max(everything, 1)
                    progress(2 * _SHARE * number + share, 2 * _SHARE * len(bags))

                so_far(0, 1)
                stretches = _stretches(bag, found, mapping, report)
                _write(bag, files, found, stretches, writer, so_far)
                _tell(bag, found, stretches, report)

        if not report.frames:
            raise DataError(_nothing(bags, report))

    return report


def _stretches(bag: Path, found: Survey, mapping: Map, report: Report) -> list[FrameStretch]:
    """Return the stretches that become episodes.

    DataError if a stretch is cut and the map refuses cuts.
    """
    for track in found.tracks:
        if track.source.when_older == "refuse":
            _refuse_gaps(bag, track, found.bounds)

    stamps = [track.stamps for track in found.tracks]
    ages = [round(track.source.max_age * 1e9) for track in found.tracks]
    every = resample(stamps, ages, mapping.rate, found.bounds)
    long = [stretch for stretch in every if len(stretch.times) >= mapping.shortest]
    report.too_short += len(every) - len(long)

    return long


def _refuse_gaps(bag: Path, track: Track, bounds: Sequence[tuple[int, int]]) -> None:
    for first, before in bounds:
        part = track.stamps[slice(*np.searchsorted(track.stamps, (first, before)).tolist())]
        cuts = gaps(part, round(track.source.max_age * 1e9))
        if len(cuts):
            k = int(cuts[0])
            raise DataError(
                f"{bag}: {track.source.topic} has no value for {track.feature} for "
                f"{(part[k + 1] - part[k]) * 1e-9:.3f} s from {part[k] * 1e-9:.3f} s on, the "
                f"map's max_age is {track.source.max_age} s; there are {len(cuts)} such gaps. "
                "With when_older: cut it leaves them out"
            )


def _same(
    bag: Path, features: Mapping[str, Feature], first: Path, known: Mapping[str, Feature]
) -> None:
    for name, feature in features.items():
        if feature != known[name]:
            raise DataError(
                f"{bag}: {name} is {list(feature.shape)} of {feature.kind}, in {first} it is "
                f"{list(known[name].shape)}: one dataset has one shape"
            )


def _tell(bag: Path, found: Survey, stretches: Sequence[FrameStretch], report: Report) -> None:
    report.size += found.size
    report.episodes += len(stretches)
    report.frames += sum(len(stretch.times) for stretch in stretches)

    if not stretches:
        report.without.append(bag)

    for k, track in enumerate(found.tracks):
        ages = [float(stretch.ages[:, k].max()) * 1e-9 for stretch in stretches]
        report.oldest[track.feature] = max([report.oldest.get(track.feature, 0.0), *ages])
        for problem, count in track.passed_over.items():
            report.passed_over[f"{track.source.topic}: {problem}"] += count


def _nothing(bags: Sequence[Path], report: Report) -> str:
    short = (
        f"; {report.too_short} stretches are shorter than the map's `shortest`"
        if report.too_short
        else ""
    )

    return (
        f"{', '.join(map(str, bags))}: at no time is there a value of every feature that is young "
        f"enough{short}. Are all topics on one clock (time: log puts them on the recorder's), and "
        "is each max_age above its topic's period?"
    )


# --- the second reading ---


def _write(
    bag: Path,
    files: Sequence[BagFile],
    found: Survey,
    stretches: Sequence[FrameStretch],
    writer: LeRobotWriter,
    progress: Progress,
) -> None:
    if not stretches:
        return

    frames = _Frames(bag, found.tracks, stretches, writer, progress)
    topics = {track.source.topic for track in found.tracks}
    counts = Counter[str]()

    for message in in_order(files, topics):
        ordinal = counts[message.topic]
        counts[message.topic] += 1
        frames.hear(message.topic, ordinal, message)
        if frames.complete:
            break

    if not frames.complete:
        raise DataError(
            f"{bag} changed while it was read: a message that was there is not there any more"
        )


class _Frames:
    """Collects the values of frames while they are read; writes frames as soon as complete."""

    def __init__(
        self,
        bag: Path,
        tracks: Sequence[Track],
        stretches: Sequence[FrameStretch],
        writer: LeRobotWriter,
        progress: Progress,
    ) -> None:
        self._bag, self._tracks, self._writer, self._progress = bag, tracks, writer, progress
        self._stretches = stretches
        self._chosen = np.concatenate([stretch.chosen for stretch in stretches])  # (F, S)
        self._ages = np.concatenate([stretch.ages for stretch in stretches]) * np.float64(
            1e-9
        )  # (F, S) s
        self._ends = np.cumsum([len(stretch.times) for stretch in stretches])
        self._bounds = {0, *self._ends.tolist()}
        self._wanted = [
            _places(track, chosen) for track, chosen in zip(tracks, self._chosen.T, strict=True)
        ]
        self._measured = [_measured(wanted) for wanted in self._wanted]
        self._values: list[dict[int, Any]] = [{} for _ in tracks]
        self._waiting = 0  # bytes of images that wait for other topics
        self._next = 0  # next frame to write
        self._rows: list[list[Any]] = []  # complete frames that are not yet written
        self._size = 0  # bytes of their images

    @property
    def complete(self) -> bool:
        """Say whether all frames are written."""
        return self._next == len(self._chosen)

    def hear(self, topic: str, ordinal: int, message: Any) -> None:
        """Take a message. DataError if it cannot be read, or too many images wait."""
        wanted = [
            k
            for k, t in enumerate(self._tracks)
            if t.source.topic == topic and ordinal in self._wanted[k]
        ]
        if not wanted:
            return

        said = said_by(self._bag, message)
        for k in wanted:
            value = self._value(k, ordinal, said)
            if isinstance(value, Picture):
                self._check(k, ordinal, value)
                self._waiting += len(value.content)

            self._values[k][self._wanted[k][ordinal]] = value

        if self._waiting > _WAITING:
            raise DataError(
                f"{self._bag}: more than {_WAITING >> 20} MiB of images wait for messages of "
                "other topics of the same time, which lie much later in the file: let `ros2 bag "
                "convert` write it in the order of its times"
            )

        self._advance()

    def _value(self, k: int, ordinal: int, said: Any) -> Any:
        """Return the value of a message for a track."""
        decoder = self._tracks[k].decoder
        if isinstance(decoder, Compressed) and ordinal not in self._measured[k]:
            return decoder.glance(said)
        return decoder.value(said)

    def _check(self, k: int, ordinal: int, picture: Picture) -> None:
        track = self._tracks[k]
        if picture.shape != track.first.shape:
            raise DataError(
                f"{self._bag}: image {ordinal + 1} of {track.source.topic} has the shape "
                f"{picture.shape}, the first one {track.first.shape}: one feature has one shape"
            )

    def _advance(self) -> None:
        """Write all complete frames."""
        while not self.complete:
            places = self._chosen[self._next].tolist()
            if not all(place in values for place, values in zip(places, self._values, strict=True)):
                return

            row = [values[place] for place, values in zip(places, self._values, strict=True)]
            self._rows.append(row)
            self._size += sum(len(value.content) for value in row if isinstance(value, Picture))
            self._next += 1
            self._forget(places)

            if (
                self._next in self._bounds
                or len(self._rows) >= _PART_FRAMES
                or self._size > _PART_BYTES
            ):
                self._flush()

    def _forget(self, places: Sequence[int]) -> None:
        """Drop the values that no later frame needs."""
        for k, place in enumerate(places):
            if self.complete or self._chosen[self._next, k] != place:
                value = self._values[k].pop(place)
                self._waiting -= len(value.content) if isinstance(value, Picture) else 0

    def _flush(self) -> None:
        first = self._next - len(self._rows)
        if first in self._bounds:
            stretch = self._stretches[int(np.searchsorted(self._ends, first, side="right"))]
            self._writer.begin(f"{self._bag.name} from {int(stretch.times[0])} ns")

        self._writer.add(self._columns(first))
        self._rows, self._size = [], 0
        self._progress(self._next, len(self._chosen))

    def _columns(self, first: int) -> dict[str, Column]:
        columns: dict[str, Column] = {}
        for name in dict.fromkeys(track.feature for track in self._tracks):
            of_one = [k for k, track in enumerate(self._tracks) if track.feature == name]
            if isinstance(self._rows[0][of_one[0]], Picture):
                columns[name] = [row[of_one[0]] for row in self._rows]
            else:
                columns[name] = np.array(
                    [np.concatenate([row[k] for k in of_one]) for row in self._rows]
                )

            columns[f"age.{name}"] = self._ages[first : self._next, of_one].astype(np.float32)

        return columns


def _places(track: Track, chosen: NDArray[np.int64]) -> dict[int, int]:
    """For each message that a frame needs, map its number on the topic to its index in the order
    of stamps.
    """
    return {int(track.ordinals[place]): place for place in np.unique(chosen).tolist()}


def _measured(wanted: Mapping[int, int]) -> set[int]:
    """Return which of a topic's messages that frames need are decoded whatever they are."""
    each = max(1, min(_EACH, len(wanted) // _AT_LEAST))
    return {*sorted(wanted, key=wanted.__getitem__)[::each]}
