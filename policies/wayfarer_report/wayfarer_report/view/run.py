"""A run on disk, told to a recording episode by episode."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.reason import Reason

from wayfarer_report.view.recording import Recording, words_of

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Limits:
    """What control was told, by a run's run.yaml."""

    low: Vector  # (3,) [m]
    high: Vector  # (3,) [m]
    action_scale: float  # m per action unit

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self | None:
        """Return them; None where run.yaml does not have them."""
        control = (description.get("configuration") or {}).get("control") or {}
        if not {"workspace_min", "workspace_max", "action_scale"} <= control.keys():
            return None

        low, high = (
            np.array(control[key], dtype=float) for key in ("workspace_min", "workspace_max")
        )

        return cls(low, high, float(control["action_scale"]))


def tell(run: RunDirectory, recording: Recording) -> Iterator[int]:
    """Tell the closed episodes of a run one by one; yield how many observations were told so far.

    Raises DataError for a damaged file.
    """
    limits, files = Limits.of(run.description()), run.episodes()
    if limits is not None:
        recording.box(limits.low, limits.high)

    read = lru_cache(maxsize=8)(read_episode)  # goals come from few episodes
    step = 0
    for file in files.values():
        episode = read_episode(file)
        _tell_goal(episode, files, read, recording, step)
        for k in range(episode.steps + 1):
            if episode.stamps[k]:
                recording.at(int(episode.stamps[k]), step + k)
                _tell_state(episode, k, recording)
                if k < episode.steps:
                    _tell_action(episode, k, limits, recording)

        step += episode.steps + 1
        yield step


def _tell_goal(
    episode: Episode, files: Mapping[int, Path], read: Any, recording: Recording, step: int
) -> None:
    """Tell the goal image and where it was taken, where the episode had one that is still there."""
    number, separator, k = episode.info.goal.partition("/")
    if not separator or not episode.stamps[0]:
        return

    recording.at(int(episode.stamps[0]), step)
    recording.novelty(episode.info.goal_novelty)
    if int(number) in files:
        source: Episode = read(files[int(number)])
        recording.goal_image(source.images[int(k)])
        recording.goal(source.ee_positions[int(k)])


def _tell_state(episode: Episode, k: int, recording: Recording) -> None:
    if episode.seen[k]:
        recording.observation(episode.images[k])

    if np.isfinite(episode.ee_positions[k]).all():
        recording.end_effector(episode.ee_positions[k])

    if episode.object_poses is not None and np.isfinite(episode.object_poses[k]).all():
        recording.cube(episode.object_poses[k, :3])


def _tell_action(episode: Episode, k: int, limits: Limits | None, recording: Recording) -> None:
    """Tell an action, where it led the arm, and where it would have.

    Both are measured from the pose it answers.
    """
    start, requested, reasons = (
        episode.ee_positions[k],
        episode.requested[k],
        Reason(int(episode.reasons[k])),
    )
    if np.isfinite(requested).all():
        recording.action(requested.astype(float), reasons)

    if limits is None or not np.isfinite(start).all():
        return

    commanded = bool(np.isfinite(episode.actions[k]).all())
    if commanded:
        recording.target(start + limits.action_scale * episode.actions[k])

    if reasons and np.isfinite(requested).all():
        recording.wanted(start + limits.action_scale * requested, not commanded, words_of(reasons))
    else:
        recording.as_meant()
