"""Verification of another recorder's bag: its files' checksums, metadata.yaml, its steps."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from wayfarer_bags import digests, metadata
from wayfarer_bags.files import sqlite_bags
from wayfarer_bags.files.bag_files import files_of, plain_name
from wayfarer_bags.files.chunks import survey
from wayfarer_bags.files.damage import DAMAGE, reading
from wayfarer_bags.files.recorded import Channel
from wayfarer_bags.files.unpacking import plain_file
from wayfarer_bags.foreign import ForeignBag
from wayfarer_bags.message_types import CONTRACT, misfit
from wayfarer_core.errors import DataError

from wayfarer_data.upkeep.findings import Finding, Verdict, of_steps


def verify_bag(path: Path) -> Verdict:
    """Check another recorder's bag: a directory, or one of its files.

    This changes nothing.
    """
    noted, wrong = digests.read_or_say(path) if path.is_dir() else ({}, "")
    found = [Finding(digests.NAME, wrong, damage=True)] if wrong else []
    counts = Counter[Channel]()

    for file in files_of(path):
        of_file, held = _of_file(file, noted.get(file.name))
        found += of_file
        counts += held
        counts.update(dict.fromkeys(held, 0))

    found += (
        Finding(path.name, f"is not read: {wrong}", damage=False) for wrong in _misfits(counts)
    )
    found += _of_directory(path, noted, counts) if path.is_dir() else ()
    episodes = steps = lost = 0
    bag = ForeignBag(path)

    try:
        for episode in bag.load(bag.sources()[0]):
            of_episode = of_steps(episode, episode.info.number)
            found += [
                Finding(path.name, f"episode {episode.info.number}: {what}", bad)
                for what, bad in of_episode
            ]
            episodes, steps, lost = episodes + 1, steps + episode.steps, lost + episode.lost_steps

        if not episodes:
            found.append(Finding(path.name, "no action in it: 0 episodes", damage=False))
    except DataError as error:
        if str(error) not in {finding.what for finding in found}:
            found.append(Finding(path.name, str(error), damage=True))

    return Verdict(str(path), episodes, episodes, steps, lost, tuple(found))


def _of_file(file: Path, digest: str | None) -> tuple[list[Finding], Counter[Channel]]:
    """Check a file; return also the number of messages of each channel."""
    damage, told, counts = list[str](), list[str](), Counter[Channel]()
    try:
        if digest is not None and (now := digests.digest_of(file)) != digest:
            damage.append(f"is not as it was written: its SHA-256 is {now}, it was {digest}")

        with plain_file(file) as plain:
            look = _of_mcap if plain.suffix == ".mcap" else _of_sqlite
            wrong, unseen, counts = look(file, plain)

        damage += wrong
        told += unseen if digest is None else ()
        if beside := [journal.name for journal in sqlite_bags.unclosed(file)]:
            told.append(
                f"was not closed by its recorder: it is read with {' and '.join(beside)} beside it"
            )
    except DataError as error:
        damage.append(str(error))

    findings = [Finding(file.name, what, damage=True) for what in damage]

    return [*findings, *(Finding(file.name, what, damage=False) for what in told)], counts


def _of_mcap(_: Path, plain: Path) -> tuple[list[str], list[str], Counter[Channel]]:
    found = survey(plain)
    found.counts.update(dict.fromkeys(found.channels.values(), 0))
    return found.damage, found.unseen, found.counts


def _of_sqlite(file: Path, plain: Path) -> tuple[list[str], list[str], Counter[Channel]]:
    if wrong := sqlite_bags.problems(plain):
        return wrong, [], Counter()

    with reading(file), sqlite_bags.SqliteFile(plain) as database:
        counts = Counter(message.channel for message in database.messages())
        counts.update(dict.fromkeys(database.channels.values(), 0))

    return [], ["sqlite3 bags carry no checksums: not all is seen"], counts


def _misfits(channels: Iterable[Channel]) -> list[str]:
    """Say which contract topics have another type."""
    found = set()
    for channel in channels:
        if channel.name in CONTRACT:
            try:
                found.add(misfit(channel))
            except DAMAGE as error:
                found.add(f"{channel.topic}: its bag {error}")

    return sorted(found - {""})


def _of_directory(
    path: Path, noted: Mapping[str, str], counts: Counter[Channel]
) -> Iterator[Finding]:
    for name in noted:
        if not (path / name).exists():
            yield Finding(name, f"is in {digests.NAME}, and not there", damage=True)

    if not (path / metadata.NAME).exists():
        yield Finding(metadata.NAME, "is not there: `ros2 bag reindex` makes it", damage=False)
        return

    try:
        about = metadata.read(path)
    except DataError as error:
        yield Finding(metadata.NAME, str(error), damage=True)
        return

    names = [plain_name(file) for file in files_of(path)]
    for what, damage in metadata.differences(about, names, counts):
        yield Finding(metadata.NAME, what, damage)
