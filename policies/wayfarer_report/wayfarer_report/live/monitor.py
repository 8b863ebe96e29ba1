"""Figures of a finished episode.

Distance to its goal, novelty of its images, coverage so far.

They are only for curves. Policy, learner and novelty never see them, so they may use the cube's
true pose.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode, place_of
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError
from wayfarer_data.cache.layout import channels_first
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.rnd import RND
from wayfarer_policies.exploration.making import make_rnd
from wayfarer_policies.exploration.methods import novelty_file

from wayfarer_report.numbers.statistics import cells_of


class Monitor:
    """Computes figures of a run's episodes when these are closed."""

    def __init__(self, run: Path) -> None:
        self._run = run

        # (n, axes) cells of the table that the cube's centre has visited
        self._cube = np.empty((0, 2), np.int16)

        # (n, axes) cells of the workspace that the end effector has visited
        self._ee = np.empty((0, 3), np.int16)
        self._looked_at: set[str] = set()  # names of processed files
        self._rnd: RND | None = None
        self._rnd_of = -1  # ns, modification time of the loaded RND checkpoint

    def figures(self, file: str, goal: str) -> dict[str, float]:
        """Return figures, by name, of a closed file of the run.

        `goal` is "" or "episode/step".
        """
        directory = RunDirectory(self._run)
        for path in directory.episodes().values():
            if path.name not in self._looked_at and path.name != file:
                self._cover(path, read_episode(path, with_images=False))

        episode = read_episode(self._run / file)
        self._cover(self._run / file, episode)
        found = {
            "coverage/end_effector_cells": float(len(self._ee)),
            "coverage/cube_cells": float(len(self._cube)),
        }

        return (
            found
            | self._novelties(episode)
            | (self._distances(directory, episode, goal) if goal else {})
        )

    def _cover(self, path: Path, episode: Episode) -> None:
        self._looked_at.add(path.name)
        self._ee = _with(self._ee, episode.ee_positions)
        if episode.object_poses is not None:
            self._cube = _with(self._cube, episode.object_poses[:, :2])

    def _novelties(self, episode: Episode) -> dict[str, float]:
        """Return the novelty of the episode's images under the last fitted RND."""
        file = novelty_file(self._run)
        if not file.exists() or not episode.seen.any():
            return {}

        self._rnd = self._rnd or make_rnd(0, "cpu")
        if (changed := file.stat().st_mtime_ns) != self._rnd_of:
            self._rnd.restore(checkpoint.read(file, "novelty"))
            self._rnd_of = changed

        frames = channels_first(episode.images[episode.seen])  # (B, C, H, W)
        novelties = self._rnd.novelty(frames)

        return {
            "novelty/reached_mean": float(novelties.mean()),
            "novelty/reached_max": float(novelties.max()),
        }

    def _distances(self, directory: RunDirectory, episode: Episode, goal: str) -> dict[str, float]:
        """Return the distance between the episode's last observation and the goal.

        In grey levels, and in metres.
        """
        number, step = place_of(goal) or (-1, 0)
        path = directory.episodes().get(number)
        if path is None or not episode.seen[-1]:
            return {}

        stored = read_episode(path)
        if step > stored.steps:
            raise DataError(f"goal {goal} lies behind the end of {path}")

        there, here = stored.images[step].astype(float), episode.images[-1].astype(float)
        found = {
            "goal_distance/image": float(np.abs(there - here).mean()),
            "goal_distance/end_effector": float(
                np.linalg.norm(stored.ee_positions[step] - episode.ee_positions[-1])
            ),
        }
        if stored.object_poses is not None and episode.object_poses is not None:
            between = stored.object_poses[step, :3] - episode.object_poses[-1, :3]
            found["goal_distance/cube"] = float(np.linalg.norm(between))

        return found


def _with(cells: NDArray[np.int16], positions: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return cells (n, axes) with those of positions (N, axes) [m] added, each once."""
    known = positions[np.isfinite(positions).all(axis=1)]
    bounds = np.iinfo(np.int16)
    new = np.clip(cells_of(known), bounds.min, bounds.max).astype(np.int16)
    return np.unique(np.concatenate((cells, new)), axis=0)
