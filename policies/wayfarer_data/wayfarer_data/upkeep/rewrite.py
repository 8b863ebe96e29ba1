"""New runs from existing runs: episodes copied, or rewritten with other topics or numbers.

The sources are only read.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from wayfarer_bags import digests, metadata
from wayfarer_bags.bag import OPEN_SUFFIX, EpisodeWriter, messages
from wayfarer_bags.files.bag_files import BagFile, opened
from wayfarer_bags.files.damage import reading
from wayfarer_bags.files.mcap_files import McapFile
from wayfarer_bags.files.recorded import Message
from wayfarer_bags.foreign import ForeignBag
from wayfarer_bags.labels import read_labels, write_labels
from wayfarer_bags.message_types import decoded, full_name, types_of
from wayfarer_bags.run_directory import (
    RunDirectory,
    RunWriter,
    configuration_digest,
    refuse_repeats,
)
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_data.cache.buffer import Progress


@dataclass(frozen=True)
class Made:
    """A run that was written."""

    run: str
    episodes: int


def merge(runs: Sequence[Path], out: Path, progress: Progress = lambda _done, _all: None) -> Made:
    """Write the episodes of several runs into the new run `out`, one run after the other.

    They keep their numbers if no number occurs twice. Otherwise they are numbered from 0, and the
    references to goals change with them. Raises ConfigError if `out` exists, DataError for a run
    given twice and for a damaged or incomplete source: recover it first.
    """
    refuse_repeats(runs)
    sources = [RunDirectory(run) for run in runs]
    files = [
        (k, number, file)
        for k, source in enumerate(sources)
        for number, file in source.episodes().items()
    ]
    used = [number for _, number, _ in files]
    fresh = {(k, number): new for new, (k, number, _) in enumerate(files)}
    noted = [_noted(source) for source in sources]
    written = []

    with new_directory(out):
        run = _new_run(out, _merged(sources))
        for done, (k, number, file) in enumerate(files):
            progress(done, len(files))
            if len(set(used)) == len(used):
                written.append(adopt(file, out, noted[k].get(file.name)))
            else:
                of_file = noted[k].get(file.name)
                numbers = {old: new for (source, old), new in fresh.items() if source == k}
                written.append(run.episode_path(numbers[number]))
                write_again(file, written[-1], of_file, record=partial(_renumbered, numbers))

        kept = {place: place[1] for place in fresh} if len(set(used)) == len(used) else fresh
        for k, source in enumerate(sources):
            take_labels(source.path, out, {old: new for (of, old), new in kept.items() if of == k})

        return _finish(run, written, progress)


def split(
    source: Path, out: Path, every: int, progress: Progress = lambda _done, _all: None
) -> list[Made]:
    """Copy a run's episodes, `every` of them each, into the new runs out/part_000, out/part_001 ...

    Raises ConfigError if `out` exists, DataError for a damaged or incomplete source: recover it
    first.
    """
    run = RunDirectory(source)
    numbers, files = list(run.episodes()), list(run.episodes().values())
    noted = _noted(run)
    made = []

    with new_directory(out):
        for part, start in enumerate(range(0, len(files), every)):
            target = _new_run(out / f"part_{part:03d}", run.description())
            written = []
            for k, file in enumerate(files[start : start + every]):
                progress(start + k, len(files))
                written.append(adopt(file, target.path, noted.get(file.name)))

            take_labels(
                source, target.path, {number: number for number in numbers[start : start + every]}
            )
            made.append(_finish(target, written))

    progress(len(files), len(files))

    return made


def relabel_topics(
    source: Path,
    out: Path,
    topics: Mapping[str, str],
    progress: Progress = lambda _done, _all: None,
) -> Made:
    """Write a run, or another recorder's bag, with other topic names.

    `topics` maps an old name or namespace to the new one.

    Raises ConfigError if `out` exists or an old name does not occur, DataError for a damaged
    source.
    """
    renamed: set[str] = set()

    def rename(topic: str) -> str:
        for old, new in topics.items():
            if topic == old or topic.startswith(old.rstrip("/") + "/"):
                renamed.add(old)
                return new + topic[len(old) :]

        return topic

    with new_directory(out):
        relabel = _relabel_bag if ForeignBag.holds(source) else _relabel_run
        made = relabel(source, out, rename, progress)
        if unused := [old for old in topics if old not in renamed]:
            raise ConfigError(f"{source} has no topic {', '.join(unused)}")

    return made


def _relabel_run(source: Path, out: Path, rename: Callable[[str], str], progress: Progress) -> Made:
    run = RunDirectory(source)
    noted = _noted(run)
    target = _new_run(out, run.description())
    written = []

    for k, (number, file) in enumerate(run.episodes().items()):
        progress(k, len(run.episodes()))
        written.append(target.episode_path(number))
        write_again(file, written[-1], noted.get(file.name), topic=rename)

    take_labels(source, out, {number: number for number in run.episodes()})

    return _finish(target, written, progress)


def _relabel_bag(source: Path, out: Path, rename: Callable[[str], str], progress: Progress) -> Made:
    """Write another recorder's bag as a directory of one MCAP file with all content of its
    files.
    """
    file = out / f"{out.name}.mcap"
    with opened(source) as files:
        progress(0, len(files))
        writer = EpisodeWriter(file, [])
        for done, one in enumerate(files):
            copy_bag_file(one, writer, rename)
            progress(done + 1, len(files))

    writer.close()
    metadata.write(out, [metadata.summarise(file)])

    return Made(str(out), 0)


def copy_bag_file(
    file: BagFile, writer: EpisodeWriter, rename: Callable[[str], str] = lambda topic: topic
) -> None:
    """Append all content of a bag's file.

    Schemas, channels and attachments stay unchanged; messages keep their times.
    """
    for channel in file.storage.channels.values():  # those without messages, too
        writer.describe(replace(channel, topic=rename(channel.topic)))

    for message in file.messages():
        writer.copy(message, replace(message.channel, topic=rename(message.topic)))

    with reading(file.path):
        for record in file.storage.extras():
            writer.attach(record)


def _noted(run: RunDirectory) -> dict[str, str]:
    """Return a run's digests.

    DataError if something is torn, missing or changed, because a new run would hide it.
    """
    noted = digests.read(run.path)
    run.check_description()
    torn = [file.name for file in run.torn().values()]
    if absent := [*torn, *run.missing(noted)]:
        raise DataError(
            f"{run.path} does not have whole what it recorded ({', '.join(absent)} torn or "
            f"missing): `wayfarer bag recover {run.path}` first, and take the new run it writes"
        )

    return noted


def take_labels(source: Path, out: Path, numbers: Mapping[int, int]) -> None:
    """Copy people's labels of episodes to the new run; `numbers` maps old to new episode
    numbers.
    """
    said = {numbers[old]: label for old, label in read_labels(source).items() if old in numbers}
    if said:
        write_labels(out, {**read_labels(out), **said})


# --- one file ---


def adopt(file: Path, folder: Path, noted: str | None) -> Path:
    """Copy a closed file under the same name. DataError if `noted` is not its digest."""
    found = digests.check(file, noted)
    target = folder / file.name
    temporary = folder / (file.name + OPEN_SUFFIX)

    try:
        shutil.copyfile(file, temporary)
        with temporary.open("rb") as copy:
            os.fsync(copy.fileno())
        digests.note(folder, {file.name: found})
        temporary.rename(target)
    except OSError as error:
        raise DataError(f"cannot copy {file} to {folder}: {error.strerror}") from error

    return target


def write_again(
    file: Path,
    target: Path,
    noted: str | None,
    topic: Callable[[str], str] = lambda topic: topic,
    record: Callable[[Any], Any] | None = None,
) -> None:
    """Rewrite a closed file with other topics or other episode records.

    DataError if `noted` is not its digest.

    All else stays byte for byte: schemas, metadata of channels, messages and their
    times.
    """
    digests.check(file, noted)
    with reading(file), McapFile(file) as source:
        source.summary()
        channels = [
            replace(channel, topic=topic(channel.topic)) for channel in source.channels.values()
        ]

    writer = EpisodeWriter(target, channels)
    for message in messages(file):
        channel = replace(message.channel, topic=topic(message.topic))
        if record is not None and message.name == names.REPLAY_EPISODE:
            message = _changed(message, record)
        writer.copy(message, channel)

    writer.close()


def _changed(message: Message, record: Callable[[Any], Any]) -> Message:
    cdr = types_of(message.channel).serialize_cdr(record(decoded(message)), full_name(message.type))
    return message._replace(cdr=bytes(cdr))


def _renumbered(numbers: Mapping[int, int], record: Any) -> Any:
    """Give an episode's record its new number, and its goal ("episode/step") the new number of the
    goal's episode.
    """
    number = numbers[int(record.episode)]
    goal, _, step = record.goal.partition("/")
    moved = (
        f"{numbers[int(goal)]}/{step}" if goal.isdigit() and int(goal) in numbers else record.goal
    )

    return replace(record, episode=number, file=f"episode_{number:06d}.mcap", goal=moved)


# --- the run around the files ---


@contextlib.contextmanager
def new_directory(out: Path) -> Iterator[None]:
    """Make a directory that is complete in the end, or does not exist.

    ConfigError if the name is taken.
    """
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise ConfigError(f"{out} exists already: choose a new directory") from error
    except OSError as error:
        raise ConfigError(f"cannot make {out}: {error.strerror}") from error

    try:
        yield
    except BaseException:
        shutil.rmtree(out)
        raise


def _new_run(out: Path, description: Mapping[str, Any]) -> RunWriter:
    run = RunWriter(out)
    run.describe(description)
    return run


def _finish(
    run: RunWriter, written: Iterable[Path], progress: Progress = lambda _done, _all: None
) -> Made:
    files = list(written)
    run.add_all(files)
    run.release()
    progress(len(files), len(files))

    return Made(str(run.path), len(files))


def _merged(runs: Sequence[RunDirectory]) -> dict[str, Any]:
    """Return run.yaml for the union of runs.

    Its configuration has the nodes whose parameters are equal in all runs.
    """
    descriptions = [run.description() for run in runs]
    same = all(d.get("configuration") == descriptions[0].get("configuration") for d in descriptions)
    whole: dict[str, Any] = (
        {
            k: descriptions[0][k]
            for k in ("configuration", "configuration_sha256")
            if k in descriptions[0]
        }
        if same
        else _shared([d.get("configuration") or {} for d in descriptions])
    )

    return {
        "format": 1,
        **whole,
        "sessions": [session for d in descriptions for session in d.get("sessions") or ()],
        "merged_from": [
            {
                "run": str(run.path.resolve()),
                "episodes": len(run.episodes()),
                **({} if same else {"description": d}),
            }
            for run, d in zip(runs, descriptions, strict=True)
        ],
    }


def _shared(configurations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sections that are equal in all configurations, with their digest.

    Empty without configurations.
    """
    first, *others = configurations
    shared = {
        node: of for node, of in first.items() if all(node in c and c[node] == of for c in others)
    }

    return (
        {"configuration": shared, "configuration_sha256": configuration_digest(shared)}
        if shared
        else {}
    )
