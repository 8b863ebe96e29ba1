"""Logs a run on disk to a recording, episode by episode."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode, place_of
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.reason import Reason, words_of
from wayfarer_core.safety import Workspace

from wayfarer_report.view.recording import Recording

Vector = NDArray[np.float64]


def workspace_of(description: Mapping[str, Any]) -> Workspace | None:
    """Return control's workspace from a run's run.yaml; None if it is not there."""
    control = (description.get("configuration") or {}).get("control") or {}
    if not {"workspace_min", "workspace_max", "action_scale"} <= control.keys():
        return None

    low = np.array(control["workspace_min"], dtype=float)
    high = np.array(control["workspace_max"], dtype=float)

    return Workspace(low, high, float(control["action_scale"]))


def tell(run: RunDirectory, recording: Recording) -> Iterator[int]:
    """Log the closed episodes of a run; yield the number of observations so far.

    Raises DataError for a damaged file.
    """
    workspace, files = workspace_of(run.description()), run.episodes()
    if workspace is not None:
        recording.box(workspace.low, workspace.high)

    read = lru_cache(maxsize=8)(read_episode)  # goals come from a few episodes
    step = 0
    for file in files.values():
        episode = read_episode(file)
        _tell_goal(episode, files, read, recording, step)
        for k in range(episode.steps + 1):
            if episode.stamps[k]:
                recording.at(int(episode.stamps[k]), step + k)
                _tell_state(episode, k, recording)
                if k < episode.steps:
                    _tell_action(episode, k, workspace, recording)

        step += episode.steps + 1
        yield step


def _tell_goal(
    episode: Episode, files: Mapping[int, Path], read: Any, recording: Recording, step: int
) -> None:
    """Log the goal image and its position, if the episode had a goal that still exists."""
    place = place_of(episode.info.goal)
    if place is None or not episode.stamps[0]:
        return

    recording.at(int(episode.stamps[0]), step)
    recording.novelty(episode.info.goal_novelty)
    number, k = place
    if number in files:
        source: Episode = read(files[number])
        recording.goal_image(source.images[k])
        recording.goal(source.ee_positions[k])


def _tell_state(episode: Episode, k: int, recording: Recording) -> None:
    if episode.seen[k]:
        recording.observation(episode.images[k])

    wrist, there = episode.wrist_images, episode.wrist_seen
    if wrist is not None and there is not None and there[k]:
        recording.wrist(wrist[k])

    if np.isfinite(episode.ee_positions[k]).all():
        recording.end_effector(episode.ee_positions[k])

    if episode.object_poses is not None and np.isfinite(episode.object_poses[k]).all():
        recording.cube(episode.object_poses[k, :3])


def _tell_action(
    episode: Episode, k: int, workspace: Workspace | None, recording: Recording
) -> None:
    """Log an action, where it led the arm, and where it would have led unchanged.

    Both start at the pose that the action answers.
    """
    start, requested, reasons = (
        episode.ee_positions[k],
        episode.requested[k],
        Reason(int(episode.reasons[k])),
    )
    if np.isfinite(requested).all():
        recording.action(requested.astype(float), reasons)

    if workspace is None or not np.isfinite(start).all():
        return

    commanded = bool(np.isfinite(episode.actions[k]).all())
    if commanded:
        recording.target(workspace.displaced(start, episode.actions[k]))

    if reasons and np.isfinite(requested).all():
        recording.wanted(workspace.displaced(start, requested), not commanded, words_of(reasons))
    else:
        recording.as_meant()
