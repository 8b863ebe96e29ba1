"""Recovery of damaged runs.

A torn episode gets an end; a damaged one loses only its damaged chunks.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wayfarer_bags import digests
from wayfarer_bags.assembly import Parts, assemble, info_of, nanoseconds
from wayfarer_bags.bag import OPEN_SUFFIX, EpisodeWriter
from wayfarer_bags.episode import End
from wayfarer_bags.files.chunks import survey
from wayfarer_bags.files.damage import DAMAGE
from wayfarer_bags.files.recorded import Channel, Message
from wayfarer_bags.foreign import ForeignBag
from wayfarer_bags.message_types import decoded, types_of
from wayfarer_bags.run_directory import DESCRIPTION, RunDirectory, RunWriter, lock
from wayfarer_core import names
from wayfarer_core.atomic import sync_directory
from wayfarer_core.errors import DataError

from wayfarer_data.upkeep.findings import DAMAGED, GOOD, UNUSABLE
from wayfarer_data.upkeep.rewrite import adopt, new_directory
from wayfarer_data.upkeep.verify import verify_file

KEPT = "damaged"  # folder for the originals when a run is recovered in place
_STAGING = "recovering"
_OWN = (
    "cache",
    "run.lock",
    "metadata.yaml",
    DESCRIPTION,
    digests.NAME,
    KEPT,
    _STAGING,
)  # made anew, or useless in another run


@dataclass(frozen=True)
class Recovered:
    """A file that was recovered."""

    file: str
    steps: int
    lost_steps: int
    damaged_chunks: int  # chunks that were left out
    torn: bool  # the file had no end

    @property
    def complete(self) -> bool:
        """Whether all sound data came back; the open chunk of a torn episode does not count."""
        return not self.damaged_chunks and (not self.torn or self.file.endswith(OPEN_SUFFIX))


@dataclass(frozen=True)
class Failed:
    """A file that is missing, or of which nothing could be read."""

    file: str
    why: str


@dataclass(frozen=True)
class Outcome:
    """The result of `wayfarer bag recover`; every episode in the run `out` verifies."""

    out: str
    sound: int
    recovered: tuple[Recovered, ...]
    failed: tuple[Failed, ...]

    @property
    def code(self) -> int:
        """GOOD; DAMAGED if a file or a damaged chunk was lost; UNUSABLE if nothing could be
        read.
        """
        if not self.sound and not self.recovered:
            return UNUSABLE
        return DAMAGED if self.failed or not all(one.complete for one in self.recovered) else GOOD


def recover(path: Path, out: Path) -> Outcome:
    """Write all that can be read of the run `path` to the new directory `out`.

    ConfigError if `out` exists.
    """
    run = _run(path)
    files = {file.name for file in (*run.episodes().values(), *run.torn().values())}
    with new_directory(out):
        sound, recovered, failed = _mend(run, out)
        for item in path.iterdir():
            if item.name not in (*_OWN, *files):
                (shutil.copytree if item.is_dir() else shutil.copy2)(item, out / item.name)

        description, wrong = _description(run)
        digests.write_noted(out / DESCRIPTION, description)
        noted = _noted(run)

        for file in sound:
            adopt(file, out, noted.get(file.name))

        _write_metadata(out)

    return Outcome(str(out), len(sound), tuple(recovered), (*failed, *_missing(run, noted), *wrong))


def recover_in_place(path: Path) -> Outcome:
    """Replace a run's torn and damaged episodes by recovered ones.

    The originals go to `damaged/`.

    Raises ConfigError while the run is being recorded.
    """
    run = _run(path)
    with lock(path / "run.lock"):
        staging, kept = path / _STAGING, path / KEPT
        shutil.rmtree(staging, ignore_errors=True)  # of a recovery that was killed
        staging.mkdir()
        sound, recovered, failed = _mend(run, staging)
        description, wrong = _description(run)
        noted = _noted(run)
        missing = _missing(run, noted)

        # keep the digest, in case the file turns up
        gone = {one.file: noted[one.file] for one in missing if one.file in noted}
        of_sound = {file.name: digests.digest_of(file) for file in sound}
        kept.mkdir(exist_ok=True)

        if wrong:
            shutil.copyfile(path / DESCRIPTION, kept / DESCRIPTION)

        digests.replace(path, {**gone, **of_sound, **digests.read(staging)})
        digests.write_noted(path / DESCRIPTION, description)
        for one in recovered:
            (kept / one.file).unlink(missing_ok=True)
            os.link(path / one.file, kept / one.file)
            name = one.file.removesuffix(OPEN_SUFFIX)
            (staging / name).replace(path / name)
            if name != one.file:
                (path / one.file).unlink()

        for lost in failed:
            (path / lost.file).rename(kept / lost.file)

        shutil.rmtree(staging)
        sync_directory(path)

    _write_metadata(path)

    return Outcome(str(path), len(sound), tuple(recovered), (*failed, *missing, *wrong))


def _run(path: Path) -> RunDirectory:
    if ForeignBag.holds(path):
        raise DataError(
            f"{path} is another recorder's bag, and this mends runs; `mcap recover` mends MCAP "
            "files"
        )

    return RunDirectory(path)


def _description(run: RunDirectory) -> tuple[bytes, list[Failed]]:
    """Return the content for run.yaml, and what is wrong with the present one.

    A changed run.yaml stays as it is if it can be read.

    Its earlier content is lost; the digest of the present content is noted.
    """
    try:
        _, changed = run.read_description()
    except DataError as error:
        return b"{}\n", [Failed(DESCRIPTION, f"{error}; an empty one takes its place")]

    content, _ = digests.content_of(run.path / DESCRIPTION)

    return content, [Failed(DESCRIPTION, f"{changed}; it is kept as it is")] if changed else []


def _mend(run: RunDirectory, folder: Path) -> tuple[list[Path], list[Recovered], list[Failed]]:
    """Write the recovered parts of torn and damaged files to `folder`.

    Return the sound files, the recovered and the failed ones.
    """
    noted = _noted(run)
    sound, recovered, failed = list[Path](), list[Recovered](), list[Failed]()
    torn = {number: file for number, file in run.torn().items() if number not in run.episodes()}

    for number, file in sorted({**run.episodes(), **torn}.items()):
        whole = number not in torn and not any(
            found.damage for found in verify_file(file, noted.get(file.name))
        )
        if whole:
            sound.append(file)
            continue

        try:
            recovered.append(recover_file(file, folder / run.episode_path(number).name))
        except DataError as error:
            failed.append(Failed(file.name, str(error)))

    return sound, recovered, failed


def recover_file(source: Path, target: Path) -> Recovered:
    """Write the sound chunks of an episode's file as the finished file `target`.

    Raises DataError, and leaves no file, if the beginning is lost or the result does not
    verify.
    """
    found = survey(source)
    try:
        messages = list(found.messages())
        parts = Parts.of(messages)
        records = [message for message in messages if message.name == names.REPLAY_EPISODE]
        ends = {id(message) for message in records if _ends(message)}
    except DAMAGE as error:
        raise DataError(
            f"{source}: its chunks are sound, what they hold is not: {error}"
        ) from error

    if not records:
        raise DataError(f"{source}: nothing says which episode it is, its first chunk is lost")

    end = _end(parts, records[-1].channel, source)
    writer = EpisodeWriter(target, list(found.channels.values()))
    for message in messages:
        if id(message) not in ends:
            writer.copy(message, message.channel)

    last, written = (
        max(getattr(message, of) for message in messages) + 1 for of in ("log_time", "publish_time")
    )
    cdr = bytes(types_of(records[-1].channel).serialize_cdr(end, end.__msgtype__))
    writer.copy(
        records[-1]._replace(cdr=cdr, log_time=last, publish_time=written), records[-1].channel
    )
    writer.close()
    problems = [
        f for f in verify_file(target, digests.read(target.parent).get(target.name)) if f.damage
    ]

    if problems:
        target.unlink()
        raise DataError(
            f"{source}: what is left of it does not verify: {'; '.join(p.what for p in problems)}"
        )

    bad = sum(bool(chunk.problem) for chunk in found.chunks)

    return Recovered(source.name, int(end.steps), int(end.lost_steps), bad, not found.finished)


def _end(parts: Parts, channel: Channel, source: Path) -> Any:
    """Return the end record for the messages that were read.

    It is the recorder's, with losses counted anew, or a new one.
    """
    record = parts.records[-1]
    if record.event != record.END:
        stamps = [nanoseconds(action.header.stamp) for action in parts.actions.values()]
        final = (
            min((stamp for stamp in parts.images if stamp > max(stamps, default=0)), default=0)
            if stamps
            else 0
        )
        record = replace(
            record,
            event=record.END,
            end=int(End.ABORTED),
            reason="the recorder was killed; recovered up to its last whole chunk",
            steps=max(parts.actions, default=-1) + 1,
            final_stamp=types_of(channel).types["builtin_interfaces/msg/Time"](
                *divmod(final, 1_000_000_000)
            ),
        )

    episode = assemble(
        parts, info_of(record), nanoseconds(record.final_stamp), source, with_images=False
    )

    return replace(record, lost_steps=episode.lost_steps)


def _ends(message: Message) -> bool:
    record = decoded(message)
    return bool(record.event == record.END)


def _missing(run: RunDirectory, noted: Mapping[str, str]) -> list[Failed]:
    why = f"is in {digests.NAME} or metadata.yaml, and not there"
    return [Failed(name, why) for name in run.missing(noted)]


def _noted(run: RunDirectory) -> dict[str, str]:
    """Return the noted digests; none if the list itself is damaged."""
    try:
        return digests.read(run.path)
    except DataError:
        return {}


def _write_metadata(path: Path) -> None:
    run = RunWriter(path)
    run.write_metadata()
    run.release()
