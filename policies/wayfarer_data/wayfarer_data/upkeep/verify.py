"""Verification of a run: every byte, chunk and step, and the consistency of run.yaml."""

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wayfarer_bags import digests, metadata
from wayfarer_bags.bag import OPEN_SUFFIX, read_episode
from wayfarer_bags.files.chunks import survey
from wayfarer_bags.foreign import ForeignBag
from wayfarer_bags.run_directory import CHANGING, DESCRIPTION, RunDirectory, configuration_digest
from wayfarer_core.atomic import NEW_SUFFIX
from wayfarer_core.errors import DataError

from wayfarer_data.cache.buffer import FORMAT
from wayfarer_data.upkeep.findings import DAMAGED, GOOD, SHOWN, UNUSABLE, Finding, Verdict, of_steps
from wayfarer_data.upkeep.verify_bag import verify_bag

__all__ = ["DAMAGED", "GOOD", "UNUSABLE", "Finding", "Verdict", "verify", "verify_file"]


def verify(path: Path, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Verdict:
    """Check a run, or a bag of another recorder.

    DataError if it is neither. `progress` gets the number of files done and of all.
    """
    return verify_bag(path) if ForeignBag.holds(path) else _verify_run(RunDirectory(path), progress)


def _verify_run(run: RunDirectory, progress: Callable[[int, int], None]) -> Verdict:
    noted, wrong = digests.read_or_say(run.path)
    findings = [Finding(digests.NAME, wrong, damage=True)] if wrong else []
    findings += _of_run(run, noted)
    closed = run.episodes()
    readable = steps = lost = 0

    for k, (number, file) in enumerate(closed.items()):
        progress(k, len(closed))
        of_bytes = list(_of_bytes(file, noted.get(file.name)))
        findings += of_bytes

        try:
            episode = read_episode(file)
        except DataError as error:
            if not of_bytes:
                findings.append(Finding(file.name, str(error), damage=True))
            continue

        readable, steps, lost = readable + 1, steps + episode.steps, lost + episode.lost_steps
        findings += (Finding(file.name, *found) for found in of_steps(episode, number))

    progress(len(closed), len(closed))
    findings += _of_torn(run)
    findings += _of_noted(run, noted)

    return Verdict(str(run.path), len(closed), readable, steps, lost, tuple(findings))


def verify_file(file: Path, digest: str | None) -> list[Finding]:
    """Check one closed episode file.

    Compare its bytes with the noted digest, and check its steps.
    """
    findings = list(_of_bytes(file, digest))
    try:
        episode = read_episode(file)
    except DataError as error:
        return findings or [Finding(file.name, str(error), damage=True)]

    return [
        *findings,
        *(Finding(file.name, *found) for found in of_steps(episode, episode.info.number)),
    ]


# --- bytes ---


def _of_bytes(file: Path, digest: str | None) -> Iterator[Finding]:
    """Check a file block by block, and as a whole by its digest, or without one by its
    own checksums.
    """
    try:
        found = survey(file)
    except DataError as error:
        yield Finding(file.name, str(error), damage=True)
        return

    for problem in found.damage:
        yield Finding(file.name, problem, damage=True)

    if digest is None:
        yield from (Finding(file.name, unseen, damage=False) for unseen in found.unseen)
    elif (now := digests.digest_of(file)) != digest:
        where = (
            ""
            if found.damage
            else "; all chunks are sound, so it is in a header, an index or the summary"
        )
        yield Finding(
            file.name,
            f"is not as it was written: its SHA-256 is {now}, it was {digest}{where}",
            True,
        )


# --- the run ---


def _of_run(run: RunDirectory, noted: dict[str, str]) -> Iterator[Finding]:
    description: dict[str, Any] = {}
    try:
        description, changed = run.read_description()
    except DataError as error:
        changed = str(error)

    if changed:
        yield Finding(DESCRIPTION, changed, damage=True)

    form = description.get("format", FORMAT)
    if form != FORMAT:
        yield Finding(
            DESCRIPTION, f"is of format {form!r}, this Wayfarer reads {FORMAT}", damage=True
        )

    written = description.get("configuration_sha256")
    if (
        written is not None
        and configuration_digest(description.get("configuration", {})) != written
    ):
        yield Finding(
            DESCRIPTION,
            "its configuration is not the one that configuration_sha256 was made of",
            damage=True,
        )

    yield from (Finding(DESCRIPTION, text, damage=False) for text in _version_changes(description))
    yield from _of_metadata(run)
    if unnoted := [name for name in CHANGING if name not in noted and (run.path / name).exists()]:
        yield Finding(
            digests.NAME, f"has no digest of {' and '.join(unnoted)}: not all is seen", damage=False
        )

    if not run.episodes():
        yield Finding("", "the run holds no closed episode", damage=True)


def _version_changes(description: dict[str, Any]) -> Iterator[str]:
    seen: dict[str, set[str]] = {}
    for session in description.get("sessions") or ():
        for package, version in (session.get("versions") or {}).items():
            seen.setdefault(package, set()).add(str(version))

    for package, versions in seen.items():
        if len(versions) > 1:
            yield (
                f"its sessions ran with different versions of {package}: "
                f"{', '.join(sorted(versions))}"
            )


def _of_metadata(run: RunDirectory) -> Iterator[Finding]:
    names = [file.name for file in run.episodes().values()]
    if not (run.path / metadata.NAME).exists() and not names:
        return

    try:
        about = metadata.read(run.path)
    except DataError as error:
        yield Finding(metadata.NAME, str(error), damage=True)
        return

    for what, damage in metadata.of_files(about, names):
        yield Finding(metadata.NAME, what, damage)


def _of_torn(run: RunDirectory) -> Iterator[Finding]:
    recording = _is_being_recorded(run)
    for file in run.torn().values():
        if recording:
            yield Finding(file.name, "is being recorded", damage=False)
            continue

        try:
            steps = (
                f"{read_episode(file, with_images=False).steps} steps of it can be read: `wayfarer "
                "bag recover`"
            )
        except DataError:
            steps = "nothing of it can be read"

        yield Finding(file.name, f"its recorder was killed; {steps}", damage=True)


def _of_noted(run: RunDirectory, noted: dict[str, str]) -> Iterator[Finding]:
    if unnoted := [file.name for file in run.episodes().values() if file.name not in noted]:
        names = ", ".join(unnoted[:SHOWN]) + (
            f" and {len(unnoted) - SHOWN} more" if len(unnoted) > SHOWN else ""
        )
        yield Finding(
            digests.NAME,
            f"has no digest of {names}: checked by MCAP's own checksums only",
            damage=False,
        )

    for name in noted:
        # a recorder that was killed while closing a file has noted the digest but not yet renamed
        # the file
        beside = (name, name + OPEN_SUFFIX, name + NEW_SUFFIX)
        if not any((run.path / one).exists() for one in beside):
            yield Finding(name, f"is in {digests.NAME}, and not there", damage=True)


def _is_being_recorded(run: RunDirectory) -> bool:
    try:
        with (run.path / "run.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there was never a recorder here, or this is a copy
        return False

    return False
