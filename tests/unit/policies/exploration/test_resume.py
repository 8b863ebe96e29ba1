"""A run that is interrupted anywhere and started again ends with the same bits as one that never
was.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from wayfarer_bags.episode import End
from wayfarer_core.options import WHITENING
from wayfarer_data.cache.frames import FrameCache, Trajectory
from wayfarer_data.cache.sampling import Replay
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import GoalPixels, one_observation
from wayfarer_policies.algorithms.networks import EncoderConfig
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.algorithms.td3 import TD3, TD3Config
from wayfarer_policies.exploration.algorithm_1 import Progress, Schedule, Stage, explore
from wayfarer_policies.exploration.goals import CheckpointedNovelty, Goal, ImageNovelty, most_novel
from wayfarer_policies.exploration.learners import Checkpointed, ReplayLearner
from wayfarer_policies.exploration.relabel import FutureGoals

SCHEDULE = Schedule(episodes=4, episodes_per_cycle=2, steps=5, epochs=1)


class Arm:
    """Its image is where it is.

    Draws depend on the episode alone, the action on the weights and the goal.
    """

    def __init__(self, store: Replay, td3: TD3) -> None:
        self.store, self.td3 = store, td3

    def run_episode(self, goal: Goal | None) -> Trajectory:
        number = self.store.episodes
        rng = np.random.default_rng([7, number])
        positions = np.zeros((SCHEDULE.steps + 1, 3), np.float32)
        frames = np.zeros((SCHEDULE.steps + 1, 3, 36, 36), np.uint8)
        actions = np.zeros((SCHEDULE.steps, 3), np.float32)

        for t in range(SCHEDULE.steps):
            frames[t] = _image(positions[t])
            towards = np.zeros(3) if goal is None else self._towards(goal, frames[t], positions[t])
            actions[t] = np.clip(towards + rng.normal(size=3), -1, 1)
            positions[t + 1] = np.clip(positions[t] + 0.2 * actions[t], -1, 1)

        frames[-1] = _image(positions[-1])
        known = np.ones(SCHEDULE.steps + 1, bool)

        return Trajectory(number, frames, actions, positions, known[:-1], known, End.TRUNCATED)

    def _towards(
        self, goal: Goal, frame: NDArray[np.uint8], position: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        seen = one_observation(frame, GoalPixels(goal.image, goal.ee_position), position, 6)
        action: NDArray[np.float32] = self.td3.greedy(seen)[0].numpy()
        return action


def _image(
    position: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.broadcast_to((127 + 120 * position).astype(np.uint8)[:, None, None], (3, 36, 36))


class Killed(BaseException):
    """Like SIGKILL: nothing in the code under test may catch it."""


def run(folder: Path, whitening: str, stop: tuple[Stage, int] | None = None) -> None:
    def watch(progress: Progress) -> None:
        if (progress.stage, progress.episode) == stop:
            raise Killed

    store = Replay(FrameCache(folder / "cache"))
    td3 = TD3(
        TD3Config(
            encoder=EncoderConfig(6, 36, 36, (4, 4, 4), 8),
            critic_learning_rate=1e-3,
            actor_learning_rate=1e-3,
        )
    )
    rnd = RND(RNDConfig(3, 36, 36, (4, 4, 4), 8, learning_rate=1e-3, batch=4, whitening=whitening))
    learner = Checkpointed(ReplayLearner(td3, FutureGoals(), batch_size=4), folder / "learner")
    novelty = CheckpointedNovelty(ImageNovelty(rnd, most_novel, 6, seed=0), folder / "novelty")
    explore(SCHEDULE, Arm(store, td3), store, learner, novelty, watch)


def everything(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in ("frames", "actions", "ee_positions"):
        (file,) = (folder / "cache").glob(f"{name}*.raw")
        found[name] = file.read_bytes()

    for kind in ("learner", "novelty"):
        state = checkpoint.read(folder / kind, kind)
        found |= {
            f"{kind}/{name}": tensor.numpy().tobytes() for name, tensor in state.tensors.items()
        }
        found |= {f"{kind}/{name}": repr(value).encode() for name, value in state.values.items()}

    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    torch.set_num_threads(1)  # sums are split by thread: another number of threads gives other bits
    found = {}
    for whitening in WHITENING:
        folder = tmp_path_factory.mktemp(whitening)
        run(folder, whitening)
        found[whitening] = everything(folder)

    return found


STAGES = [stage for stage in Stage if stage is not Stage.DONE]


@pytest.mark.parametrize("whitening", WHITENING)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("episode", [1, 2])
@pytest.mark.slow
def test_killed_at_any_stage_and_started_again_it_ends_with_the_same_bits(
    stage: Stage,
    episode: int,
    whitening: str,
    uninterrupted: dict[str, dict[str, bytes]],
    tmp_path: Path,
) -> None:
    if stage in (Stage.FITTING, Stage.FITTED) and episode == 2:
        episode = 3  # the second cycle's last

    with pytest.raises(Killed):
        run(tmp_path, whitening, stop=(stage, episode))

    run(tmp_path, whitening)
    resumed, straight = everything(tmp_path), uninterrupted[whitening]
    assert resumed.keys() == straight.keys()
    assert [name for name in resumed if resumed[name] != straight[name]] == []
