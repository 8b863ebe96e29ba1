"""Runs made of runs: episodes copied, or written again with other topics or numbers. The sources are only read."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mcap.reader import make_reader
from rosbags.typesys.store import Typestore
from wayfarer_common import names
from wayfarer_common.errors import ConfigError, DataError

from wayfarer_policies.replay import digests
from wayfarer_policies.replay.assembly import Message
from wayfarer_policies.replay.bag import OPEN_SUFFIX, Channel, EpisodeWriter, messages, reading
from wayfarer_policies.replay.buffer import Progress
from wayfarer_policies.replay.foreign import ForeignBag
from wayfarer_policies.replay.message_types import add_schema, base_types
from wayfarer_policies.replay.run_directory import (
    RunDirectory,
    RunWriter,
    configuration_digest,
    summarise,
    write_metadata,
)


@dataclass(frozen=True)
class Made:
    """A run that was written."""

    run: str
    episodes: int


def merge(runs: Sequence[Path], out: Path, progress: Progress = lambda _done, _all: None) -> Made:
    """Write the episodes of several runs into the new run `out`, one run after the other.

    They keep their numbers where no number is used twice; else they are counted from 0, and their goals follow.
    Raises ConfigError where `out` exists, DataError for a damaged or incomplete source: recover it first.
    """
    sources = [RunDirectory(run) for run in runs]
    files = [(k, number, file) for k, source in enumerate(sources) for number, file in source.episodes().items()]
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
        return _finish(run, written, progress)


def split(source: Path, out: Path, every: int, progress: Progress = lambda _done, _all: None) -> list[Made]:
    """Write a run's episodes, `every` many each, into the new runs out/part_000, out/part_001 ... as they are.

    Raises ConfigError where `out` exists, DataError for a damaged or incomplete source: recover it first.
    """
    run = RunDirectory(source)
    files = list(run.episodes().values())
    noted = _noted(run)
    made = []
    with new_directory(out):
        for part, start in enumerate(range(0, len(files), every)):
            target = _new_run(out / f"part_{part:03d}", run.description())
            written = []
            for k, file in enumerate(files[start : start + every]):
                progress(start + k, len(files))
                written.append(adopt(file, target.path, noted.get(file.name)))
            made.append(_finish(target, written))
    progress(len(files), len(files))
    return made


def relabel_topics(
    source: Path, out: Path, topics: Mapping[str, str], progress: Progress = lambda _done, _all: None
) -> Made:
    """Write a run, or another recorder's bag, again with other names of topics: old name, or namespace, -> new one.

    Raises ConfigError where `out` exists or an old name occurs nowhere, DataError for a damaged source.
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
    return _finish(target, written, progress)


def _relabel_bag(source: Path, out: Path, rename: Callable[[str], str], progress: Progress) -> Made:
    """Write another recorder's bag as a directory of one MCAP file."""
    file = out / f"{out.name}.mcap"
    with ForeignBag(source).opened() as (types, channels, stream):
        progress(0, 1)
        writer = EpisodeWriter(file, [replace(channel, topic=rename(channel.topic)) for channel in channels], types)
        for message in stream:
            writer.write(rename(message.topic), message.cdr, message.log_time)
    writer.close()
    write_metadata(out, [summarise(file)])
    progress(1, 1)
    return Made(str(out), 0)


def _noted(run: RunDirectory) -> dict[str, str]:
    """Return a run's digests. DataError where an episode is torn or missing: a new run would not tell of it."""
    noted = digests.read(run.path)
    torn = [file.name for file in run.torn().values()]
    if absent := [*torn, *run.missing(noted)]:
        raise DataError(
            f"{run.path} does not have whole what it recorded ({', '.join(absent)} torn or missing): "
            f"`wayfarer bag recover {run.path}` first, and take the new run it writes"
        )
    return noted


# --- one file ---


def adopt(file: Path, folder: Path, noted: str | None) -> Path:
    """Copy a closed file as it is, under the same name. DataError if `noted` is not its digest."""
    found = _sound(file, noted)
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


def _sound(file: Path, noted: str | None) -> str:
    """Return a file's digest. DataError if it is not the one that was noted."""
    found = digests.digest_of(file)
    if noted not in (None, found):
        raise DataError(f"{file} is not as it was written: `wayfarer bag recover` first")
    return found


def write_again(
    file: Path,
    target: Path,
    noted: str | None,
    topic: Callable[[str], str] = lambda topic: topic,
    record: Callable[[Any], Any] = lambda record: record,
) -> None:
    """Write a closed file again, with other topics or other episode records. DataError if `noted` is not its digest."""
    _sound(file, noted)
    types = base_types()
    channels = _channels(file, types)
    writer = EpisodeWriter(target, [replace(channel, topic=topic(channel.topic)) for channel in channels], types)
    for message in messages(file, types):
        writer.write(topic(message.topic), _changed(message, types, record), message.log_time)
    writer.close()


def _changed(message: Message, types: Typestore, record: Callable[[Any], Any]) -> bytes:
    if message.name != names.REPLAY_EPISODE:
        return message.cdr
    return bytes(types.serialize_cdr(record(types.deserialize_cdr(message.cdr, message.type)), message.type))


def _channels(file: Path, types: Typestore) -> list[Channel]:
    """Return a closed file's channels, and teach `types` their schemas."""
    with reading(file), file.open("rb") as stream:
        summary = make_reader(stream).get_summary()
        if summary is None:
            raise DataError(f"{file} has no summary: `wayfarer bag recover` first")
        for schema in summary.schemas.values():
            add_schema(types, schema.name, schema.data.decode())
        return [
            Channel(c.topic, summary.schemas[c.schema_id].name, c.metadata.get("offered_qos_profiles", ""))
            for c in summary.channels.values()
        ]


def _renumbered(numbers: Mapping[int, int], record: Any) -> Any:
    """Give an episode's record its new number, and its goal, "episode/step", that of the episode it comes from."""
    number = numbers[int(record.episode)]
    goal, _, step = record.goal.partition("/")
    moved = f"{numbers[int(goal)]}/{step}" if goal.isdigit() and int(goal) in numbers else record.goal
    return replace(record, episode=number, file=f"episode_{number:06d}.mcap", goal=moved)


# --- the run around the files ---


@contextlib.contextmanager
def new_directory(out: Path) -> Iterator[None]:
    """Make a directory that is whole in the end, or not there at all. ConfigError where something of that name is."""
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


def _finish(run: RunWriter, written: Iterable[Path], progress: Progress = lambda _done, _all: None) -> Made:
    files = list(written)
    run.add_all(files)
    run.release()
    progress(len(files), len(files))
    return Made(str(run.path), len(files))


def _merged(runs: Sequence[RunDirectory]) -> dict[str, Any]:
    """Return run.yaml of the runs' union; its configuration is that of the nodes that ran with the same one in all."""
    descriptions = [run.description() for run in runs]
    same = all(d.get("configuration") == descriptions[0].get("configuration") for d in descriptions)
    whole: dict[str, Any] = (
        {k: descriptions[0][k] for k in ("configuration", "configuration_sha256") if k in descriptions[0]}
        if same
        else _shared([d.get("configuration") or {} for d in descriptions])
    )
    return {
        "format": 1,
        **whole,
        "sessions": [session for d in descriptions for session in d.get("sessions") or ()],
        "merged_from": [
            {"run": str(run.path.resolve()), "episodes": len(run.episodes()), **({} if same else {"description": d})}
            for run, d in zip(runs, descriptions, strict=True)
        ],
    }


def _shared(configurations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sections that are equal in all configurations, with their digest; nothing without any."""
    first, *others = configurations
    shared = {node: of for node, of in first.items() if all(node in c and c[node] == of for c in others)}
    return {"configuration": shared, "configuration_sha256": configuration_digest(shared)} if shared else {}
