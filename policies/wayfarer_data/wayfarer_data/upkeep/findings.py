"""Findings about a recording, for `wayfarer bag verify`, and the checks of an episode's steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from wayfarer_bags.episode import Episode

GOOD, DAMAGED, UNUSABLE = 0, 1, 2
SHOWN = 8  # steps that a message lists


@dataclass(frozen=True)
class Finding:
    """One finding about a file."""

    file: str  # name inside the run
    what: str
    damage: bool  # False: only information; the recording is as it was recorded


@dataclass(frozen=True)
class Verdict:
    """The result of `wayfarer bag verify`."""

    run: str
    episodes: int  # closed episodes
    readable: int  # those of them that can be read
    steps: int
    lost_steps: int
    findings: tuple[Finding, ...]

    @property
    def code(self) -> int:
        """GOOD, DAMAGED, or UNUSABLE if no episode can be read."""
        if not self.readable:
            return UNUSABLE
        return DAMAGED if any(finding.damage for finding in self.findings) else GOOD


def of_steps(episode: Episode, number: int) -> Iterator[tuple[str, bool]]:
    """Yield findings about an episode's steps, and whether each is damage."""
    info = episode.info
    if info.number != number:
        yield f"its record says that it is episode {info.number}", True

    if episode.steps > info.steps:
        yield (
            f"it has actions up to step {episode.steps - 1}, its record says {info.steps} steps",
            True,
        )

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
        if unknown.any():  # no damage: this pose only labels steps
            yield f"no pose of the object at {_steps(np.flatnonzero(unknown))}", False

    for what, at in episode.oddities.items():
        if len(at):
            yield f"{what} at {_steps(at)}", False

    unrecorded = episode.lost_steps > info.lost_steps
    for what, steps in _losses(episode):
        counted = (
            f"; the recorder counted {info.lost_steps} lost steps, there are {episode.lost_steps}"
        )
        yield f"{what} at {_steps(steps)}{counted if unrecorded else ''}", unrecorded


def _losses(episode: Episode) -> Iterator[tuple[str, Any]]:
    """Yield what lost steps lack; each step counts for the first reason that holds."""
    unexplained = ~episode.valid
    wrist = np.ones_like(episode.seen) if episode.wrist_seen is None else episode.wrist_seen
    posed = np.asarray(np.isfinite(episode.ee_positions).all(axis=1))  # (T + 1,)
    for what, missing in (
        ("no action", episode.stamps[:-1] == 0),
        ("no image", ~episode.seen[:-1]),
        ("no executed record", ~np.isfinite(episode.actions).all(axis=1)),
        ("no next image", ~episode.seen[1:]),
        ("no image of the wrist", ~wrist[:-1]),
        ("no next image of the wrist", ~wrist[1:]),
        ("no pose of the end effector", ~posed[:-1]),
        ("no next pose of the end effector", ~posed[1:]),
    ):
        if (unexplained & missing).any():
            yield what, np.flatnonzero(unexplained & missing)
        unexplained &= ~missing


def _steps(steps: Any) -> str:
    shown = ", ".join(map(str, steps[:SHOWN]))
    return f"step {shown}" + (f" and {len(steps) - SHOWN} more" if len(steps) > SHOWN else "")
