"""A collection killed at any moment and started again ends with the same bits as one that never
was.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixtures.configs import write_config
from fixtures.graph import VENV, wait_for, wayfarer
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End, Episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_policies.algorithms import checkpoint

EPISODES = 6
ACTOR = {"random_steps": 20, "noise_start": 0.5, "noise_end": 0.1, "noise_steps": 60}


def start(run: Path) -> subprocess.Popen[bytes]:
    collector = {"episodes_per_cycle": 2, "epochs": 1}
    config = write_config(
        run.parent / "config.yaml", actor=ACTOR, collector=collector, learner={"actor_start": 10}
    )
    size = ["--episodes", str(EPISODES), "--steps", "12", "--seed", "5"]
    words = [
        "collect",
        "--in-process",
        "--method",
        "goal",
        *size,
        "--config",
        str(config),
        "--out",
        str(run),
    ]

    return subprocess.Popen([str(VENV / "bin" / "wayfarer"), *words], stderr=subprocess.DEVNULL)


def kill_when(run: Path, condition: Callable[[], object], what: str) -> None:
    process = start(run)
    try:
        wait_for(condition, what)
    finally:
        process.kill()
        process.wait()


def finished_episodes(run: Path) -> list[Episode]:
    episodes = [read_episode(path) for path in RunDirectory(run).episodes().values()]
    return [episode for episode in episodes if episode.info.end is End.TRUNCATED]


def bits(run: Path) -> dict[str, bytes]:
    """All that was learned, by name."""
    found = {}
    for kind in ("learner", "novelty"):
        state = checkpoint.read(run / "checkpoints" / f"{kind}.safetensors", kind)
        found |= {
            f"{kind}/{name}": tensor.numpy().tobytes() for name, tensor in state.tensors.items()
        }
        found |= {f"{kind}/{name}": repr(value).encode() for name, value in state.values.items()}

    return found


@pytest.mark.slow
def test_killed_three_times_it_ends_with_the_same_bits_as_a_run_that_never_was(
    tmp_path: Path,
) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert start(straight).wait(120.0) == 0

    learner = killed / "checkpoints" / "learner.safetensors"
    kill_when(
        killed, lambda: (killed / "episode_000002.mcap.part").exists(), "episode 2 to be under way"
    )
    assert len(RunDirectory(killed).torn()) == 1  # its number is lost, its randomness is not
    before = learner.stat().st_mtime_ns
    kill_when(
        killed, lambda: (killed / "episode_000003.mcap").exists(), "the next one to be stored"
    )
    assert learner.stat().st_mtime_ns == before  # stored, but not learned: caught up with now
    kill_when(killed, lambda: learner.stat().st_mtime_ns > before, "what was missed to be learned")
    assert start(killed).wait(120.0) == 0

    a, b = finished_episodes(straight), finished_episodes(killed)
    assert len(a) == len(b) == EPISODES
    assert [e.info.number for e in b] != list(range(EPISODES))

    for one, other in zip(a, b, strict=True):
        for name in ("images", "requested", "actions", "ee_positions", "object_poses", "stamps"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)

    # NaN before there is a goal
    assert [e.info.goal_novelty for e in a[1:]] == [e.info.goal_novelty for e in b[1:]]
    one, other = bits(straight), bits(killed)
    seen = "novelty/self/seen_until"  # an episode's number: those of the killed run have gaps
    assert (one.pop(seen), other.pop(seen)) == tuple(
        repr(e[-1].info.number).encode() for e in (a, b)
    )
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


@pytest.mark.slow
def test_over_ros_too_an_episode_that_was_killed_leaves_the_following_ones_as_they_were(
    domain: int, tmp_path: Path
) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"

    def words(run: Path, episodes: int, steps: int = 20) -> list[str]:
        size = ["--episodes", str(episodes), "--steps", str(steps), "--seed", "5"]
        return ["collect", "--method", "random-correlated", *size, "--out", str(run)]

    assert wayfarer(*words(straight, 3), "--in-process").returncode == 0
    assert wayfarer(*words(killed, 1)).returncode == 0
    process = subprocess.Popen(
        [str(VENV / "bin" / "wayfarer"), *words(killed, 10_000)], stderr=subprocess.DEVNULL
    )

    try:
        wait_for(lambda: list(killed.glob("*.part")), "an episode to be under way")
    finally:
        process.kill()  # the kernel ends the nodes
        process.wait()

    wait_for(lambda: not list(killed.glob("*.part")), "the recorder to close the episode")

    # its nodes may hold the run for a moment longer
    wait_for(lambda: wayfarer(*words(killed, 3)).returncode == 0, "the run to be continued")
    assert len(finished_episodes(killed)) >= 3
    assert len(RunDirectory(killed).episodes()) > len(finished_episodes(killed))

    for one, other in zip(finished_episodes(straight), finished_episodes(killed)[:3], strict=True):
        for name in ("images", "requested", "actions", "ee_positions", "object_poses"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
