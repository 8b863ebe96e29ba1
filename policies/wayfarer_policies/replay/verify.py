"""Is a recording as it was recorded: every byte, every chunk, every step, and what run.yaml says of itself."""

import fcntl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from wayfarer_common.errors import DataError

from wayfarer_policies.replay import digests, sqlite_bags
from wayfarer_policies.replay.bag import OPEN_SUFFIX, read_episode
from wayfarer_policies.replay.buffer import FORMAT
from wayfarer_policies.replay.chunks import survey
from wayfarer_policies.replay.episode import Episode
from wayfarer_policies.replay.foreign import ForeignBag
from wayfarer_policies.replay.run_directory import RunDirectory, configuration_digest
from wayfarer_policies.replay.unpacking import plain_file

GOOD, DAMAGED, UNUSABLE = 0, 1, 2
_SHOWN = 8  # steps that are named one by one


@dataclass(frozen=True)
class Finding:
    """One thing that was found out about a file."""

    file: str  # name inside the run
    what: str
    damage: bool  # False: worth knowing, but the recording is as it was recorded


@dataclass(frozen=True)
class Verdict:
    """What `wayfarer bag verify` tells of a recording."""

    run: str
    episodes: int  # closed ones
    readable: int  # of these
    steps: int
    lost_steps: int
    findings: tuple[Finding, ...]

    @property
    def code(self) -> int:
        """GOOD, DAMAGED, or UNUSABLE: not one episode can be read."""
        if not self.readable:
            return UNUSABLE
        return DAMAGED if any(finding.damage for finding in self.findings) else GOOD


def verify(path: Path, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Verdict:
    """Check a run, or a bag another recorder left. DataError where there is neither; `progress`: files done, of all."""
    return _verify_foreign(path) if ForeignBag.holds(path) else _verify_run(RunDirectory(path), progress)


def _verify_run(run: RunDirectory, progress: Callable[[int, int], None]) -> Verdict:
    findings = list(_of_run(run))
    try:
        noted = digests.read(run.path)
    except DataError as error:
        noted = {}
        findings.append(Finding(digests.NAME, str(error), damage=True))
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
        findings += (Finding(file.name, *found) for found in _of_steps(episode, number))
    progress(len(closed), len(closed))
    findings += _of_torn(run)
    findings += _of_noted(run, noted)
    return Verdict(str(run.path), len(closed), readable, steps, lost, tuple(findings))


def verify_file(file: Path, digest: str | None) -> list[Finding]:
    """Check one closed episode file: its bytes, against the digest that was noted, and its steps."""
    findings = list(_of_bytes(file, digest))
    try:
        episode = read_episode(file)
    except DataError as error:
        return findings or [Finding(file.name, str(error), damage=True)]
    return [*findings, *(Finding(file.name, *found) for found in _of_steps(episode, episode.info.number))]


# --- bytes ---


def _of_bytes(file: Path, digest: str | None) -> Iterator[Finding]:
    try:
        found = survey(file)
    except DataError as error:
        yield Finding(file.name, str(error), damage=True)
        return
    problems = [
        f"chunk {k} of {len(found.chunks)} (bytes {chunk.start} to {chunk.end}) is damaged: {chunk.problem}"
        for k, chunk in enumerate(found.chunks, 1)
        if chunk.problem
    ]
    problems += [] if found.finished else [*found.problems, "it is not a finished MCAP file"]
    for problem in problems:
        yield Finding(file.name, problem, damage=True)
    if digest is None and (bare := sum(not chunk.summed for chunk in found.chunks)):
        yield Finding(file.name, f"{bare} of its {len(found.chunks)} chunks have no checksum: not all is seen", False)
    if digest is not None and (now := digests.digest_of(file)) != digest:
        where = "" if problems else "; all chunks are sound, so it is in a header, an index or the summary"
        yield Finding(file.name, f"is not as it was written: its SHA-256 is {now}, it was {digest}{where}", True)


# --- steps ---


def _of_steps(episode: Episode, number: int) -> Iterator[tuple[str, bool]]:
    info = episode.info
    if info.number != number:
        yield f"its record says that it is episode {info.number}", True
    if episode.steps > info.steps:
        yield f"it has actions up to step {episode.steps - 1}, its record says {info.steps} steps", True
    order = np.flatnonzero(episode.stamps > 0)
    back = order[1:][np.diff(episode.stamps[order]) <= 0]
    if len(back):
        yield f"the stamps do not increase at {_steps(back)}", True
    with np.errstate(invalid="ignore"):
        outside = np.flatnonzero((np.abs(episode.actions) > 1.0 + 1e-6).any(axis=1))
    if len(outside):
        yield f"the executed action leaves [-1, 1] at {_steps(outside)}", True
    if episode.object_poses is not None:
        unknown = episode.seen & ~np.isfinite(episode.object_poses).all(axis=1)
        if unknown.any():  # no damage: it labels steps, they can do without
            yield f"no pose of the object at {_steps(np.flatnonzero(unknown))}", False
    unrecorded = episode.lost_steps > info.lost_steps
    for what, steps in _losses(episode):
        counted = f"; the recorder counted {info.lost_steps} lost steps, there are {episode.lost_steps}"
        yield f"{what} at {_steps(steps)}{counted if unrecorded else ''}", unrecorded


def _losses(episode: Episode) -> Iterator[tuple[str, Any]]:
    """Say what is missing of the steps that are lost, each by the first of these that is true."""
    unexplained = ~episode.valid
    posed = np.asarray(np.isfinite(episode.ee_positions).all(axis=1))  # (T + 1,)
    for what, missing in (
        ("no action", episode.stamps[:-1] == 0),
        ("no image", ~episode.seen[:-1]),
        ("no executed record", ~np.isfinite(episode.actions).all(axis=1)),
        ("no next image", ~episode.seen[1:]),
        ("no pose of the end effector", ~posed[:-1]),
        ("no next pose of the end effector", ~posed[1:]),
    ):
        if (unexplained & missing).any():
            yield what, np.flatnonzero(unexplained & missing)
        unexplained &= ~missing


def _steps(steps: Any) -> str:
    shown = ", ".join(map(str, steps[:_SHOWN]))
    return f"step {shown}" + (f" and {len(steps) - _SHOWN} more" if len(steps) > _SHOWN else "")


# --- the run ---


def _of_run(run: RunDirectory) -> Iterator[Finding]:
    try:
        description = run.description()
    except DataError as error:
        yield Finding("run.yaml", str(error), damage=True)
        description = {}
    form = description.get("format", FORMAT)
    if form != FORMAT:
        yield Finding("run.yaml", f"is of format {form!r}, this Wayfarer reads {FORMAT}", damage=True)
    written = description.get("configuration_sha256")
    if written is not None and configuration_digest(description.get("configuration", {})) != written:
        yield Finding("run.yaml", "its configuration is not the one that configuration_sha256 was made of", damage=True)
    yield from (Finding("run.yaml", text, damage=False) for text in _version_changes(description))
    yield from _of_metadata(run)
    if not run.episodes():
        yield Finding("", "the run holds no closed episode", damage=True)


def _version_changes(description: dict[str, Any]) -> Iterator[str]:
    seen: dict[str, set[str]] = {}
    for session in description.get("sessions") or ():
        for package, version in (session.get("versions") or {}).items():
            seen.setdefault(package, set()).add(str(version))
    for package, versions in seen.items():
        if len(versions) > 1:
            yield f"its sessions ran with different versions of {package}: {', '.join(sorted(versions))}"


def _of_metadata(run: RunDirectory) -> Iterator[Finding]:
    path = run.path / "metadata.yaml"
    names = [file.name for file in run.episodes().values()]
    if not path.exists() and not names:
        return
    try:
        listed = run.listed()
    except DataError as error:
        yield Finding(path.name, str(error), damage=True)
        return
    if unlisted := [name for name in names if name not in listed]:
        yield Finding(path.name, f"does not list {', '.join(unlisted)}: `ros2 bag` will not see it", damage=False)
    if gone := [name for name in listed if name not in names]:
        yield Finding(path.name, f"lists {', '.join(gone)}, which is not there", damage=True)


def _of_torn(run: RunDirectory) -> Iterator[Finding]:
    recording = _is_being_recorded(run)
    for file in run.torn().values():
        if recording:
            yield Finding(file.name, "is being recorded", damage=False)
            continue
        try:
            steps = f"{read_episode(file, with_images=False).steps} steps of it can be read: `wayfarer bag recover`"
        except DataError:
            steps = "nothing of it can be read"
        yield Finding(file.name, f"its recorder was killed; {steps}", damage=True)


def _of_noted(run: RunDirectory, noted: dict[str, str]) -> Iterator[Finding]:
    if unnoted := [file.name for file in run.episodes().values() if file.name not in noted]:
        names = ", ".join(unnoted[:_SHOWN]) + (f" and {len(unnoted) - _SHOWN} more" if len(unnoted) > _SHOWN else "")
        yield Finding(digests.NAME, f"has no digest of {names}: checked by MCAP's own checksums only", damage=False)
    for name in noted:
        # a recorder that is killed while it closes a file has noted the digest, and not yet given it its name
        if not (run.path / name).exists() and not (run.path / (name + OPEN_SUFFIX)).exists():
            yield Finding(name, f"is in {digests.NAME}, and not there", damage=True)


def _is_being_recorded(run: RunDirectory) -> bool:
    try:
        with (run.path / "run.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # nobody ever recorded here, or it is a copy
        return False
    return False


# --- bags of other recorders ---


def _verify_foreign(path: Path) -> Verdict:
    findings, episodes = list[Finding](), list[Episode]()
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        try:
            with plain_file(file) as plain:
                findings += (replace(found, file=file.name) for found in _of_file(plain))
        except DataError as error:
            findings.append(Finding(file.name, str(error), damage=True))
    bag = ForeignBag(path)
    try:
        for episode in bag.load(bag.sources()[0]):
            episodes.append(episode)
            found = _of_steps(episode, episode.info.number)
            findings += [Finding(path.name, f"episode {episode.info.number}: {what}", bad) for what, bad in found]
    except DataError as error:
        findings.append(Finding(path.name, str(error), damage=True))
    steps, lost = (sum(of) for of in ([e.steps for e in episodes], [e.lost_steps for e in episodes]))
    return Verdict(str(path), len(episodes), len(episodes), steps, lost, tuple(findings))


def _of_file(file: Path) -> Iterator[Finding]:
    if file.suffix == ".mcap":
        yield from _of_bytes(file, None)
    elif file.suffix == ".db3":
        yield from (Finding(file.name, problem, damage=True) for problem in sqlite_bags.problems(file))
        yield Finding(file.name, "sqlite3 bags carry no checksums: not all is seen", damage=False)
