"""A policy's success rate: counted in a recorded run from the cube's poses."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError

from wayfarer_offline.pose_labels import TrackerOf, calibrated_tracker, tracked
from wayfarer_offline.tasks import task

_Z = 1.959963984540054  # of the normal distribution: 95 % lie within


@dataclass(frozen=True)
class Share:
    """Successes of some episodes, and the 95 % interval of their probability (Wilson 1927)."""

    successes: int
    episodes: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """The result of a policy's episodes."""

    task: str
    run: str
    at_end: Share  # episodes whose last state is a success: the one number to quote
    at_any_time: Share  # episodes with a success at some step
    mean_return: float  # sum of rewards of an episode, undiscounted
    successes: tuple[bool, ...]  # at the end of each episode

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def wilson(outcomes: Sequence[bool]) -> Share:
    """Count successes. Raises DataError if there is no episode."""
    n, k = len(outcomes), sum(outcomes)
    if n == 0:
        raise DataError("there is no episode to judge a policy by")

    share = k / n
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))

    # rounding could put an end on the wrong side of the share, or outside 0 to 1
    return Share(
        k, n, share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
    )


def count_successes(
    run: Path, name: str, episodes: int, tracker_of: TrackerOf = calibrated_tracker
) -> Evaluation:
    """Judge the first `episodes` episodes of a run that were not aborted.

    Without a recorded cube pose the run's tracker gives it. Raises DataError for fewer
    episodes, or one whose last state is unknown.
    """
    wanted = task(name)
    at_end: list[bool] = []
    at_any_time: list[bool] = []
    returns: list[float] = []

    for path in RunDirectory(run).episodes().values():
        episode = read_episode(path, with_images=False)
        if episode.info.end not in (End.TERMINATED, End.TRUNCATED) or len(at_end) == episodes:
            continue

        poses = episode.object_poses
        if poses is None and (tracker := tracker_of(run)) is not None:
            poses = tracked(read_episode(path), tracker)

        if poses is None or not np.isfinite(poses[-1]).all():
            raise DataError(
                f"{path} does not tell where the cube was at the end: nobody can say whether it "
                "succeeded"
            )

        success = wanted.success(poses[1:])  # (T,)
        at_end.append(bool(success[-1]))
        at_any_time.append(bool(success.any()))
        returns.append(float(np.nansum(wanted.reward(poses[1:]))))

    if len(at_end) < episodes:
        raise DataError(f"{run} holds {len(at_end)} finished episodes, {episodes} are to be judged")

    return Evaluation(
        name, str(run), wilson(at_end), wilson(at_any_time), float(np.mean(returns)), tuple(at_end)
    )
