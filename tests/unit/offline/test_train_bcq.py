import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.painted import SIDE, dataset, paint, painted, trajectory
from wayfarer_bags.episode import ActionSource, End
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_offline.pose_labels import PoseLabels, TaskDataError
from wayfarer_offline.tasks import task
from wayfarer_offline.train_bcq import (
    ENCODER,
    POLICY,
    TRAINING,
    OfflineConfig,
    TaskRewards,
    bcq_constants,
    train_bcq,
)
from wayfarer_offline.train_encoder import PoseEncoding
from wayfarer_policies.acting.offline_policy import OfflinePolicy, read_policy
from wayfarer_policies.acting.policy import RobotState, Start
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import LearningError
from wayfarer_policies.algorithms.bcq import BCQConfig
from wayfarer_policies.algorithms.bcq_networks import BCQHeads, Description, PoseBCQ
from wayfarer_policies.algorithms.networks import EncoderConfig

NETWORKS = Description(
    "shared",
    EncoderConfig(3, SIDE, SIDE, (4, 8, 8), 16),
    BCQHeads(vae=(32, 32), perturbation=(20, 10), critic=(32, 32)),
)
CONFIG = OfflineConfig("push", steps=8, batch=16, bcq=BCQConfig(NETWORKS), save_every=3)
SEEING = dataclasses.replace(
    CONFIG,
    bcq=BCQConfig(
        dataclasses.replace(
            NETWORKS,
            encoders="pose",
            encoder=dataclasses.replace(NETWORKS.encoder, ee_position=True, layer_norm=True),
        )
    ),
    encoding=PoseEncoding(updates=4, batch=8),
)


class PowerError(Exception):
    """Goes out."""


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return painted(tmp_path / "run", 6, 12)


def test_a_step_earns_the_reward_of_the_state_it_leads_to(data: Dataset) -> None:
    labels = PoseLabels.of(data)
    rewards = TaskRewards(data, labels, "push")
    batch = rewards.sample(200, np.random.default_rng(0))

    for pixels, reward in zip(batch.next_observations.pixels, batch.rewards.tolist(), strict=True):
        column = float(
            torch.nonzero(pixels[:, 18].float().std(dim=0) + (pixels[0, 18] != 40).float())[0, 0]
        )
        y = (column / (SIDE - 10) - 0.5) * 0.7  # read off the picture, to within half a pixel
        assert reward == pytest.approx(1 - np.tanh(10 * (0.18 - y)), abs=0.15)

    assert rewards.description() == {
        "steps": 72,
        "successes": int(task("push").success(labels.poses[data.transitions + 1]).sum()),
        "labels": labels.sources,
    }


def test_a_time_limit_ends_no_value_and_neither_does_success_but_the_end_of_the_world_does(
    tmp_path: Path,
) -> None:
    """Six steps to the time limit, then six to a recorded end, success on the way in both."""
    episodes = (trajectory(0, 6, face="green"), trajectory(1, 6, end=End.TERMINATED, face=""))
    data = dataset(tmp_path / "run", *episodes)
    rewards = TaskRewards(data, PoseLabels.of(data), "flip-green")
    assert rewards.successes >= 6
    terminated = rewards.batch(data.transitions).terminated.tolist()
    assert terminated == [False] * 11 + [True]


@pytest.mark.slow
def test_a_policy_learns_to_push_where_the_reward_is(tmp_path: Path) -> None:
    data = painted(tmp_path / "run", 20, 12, face="green")
    bcq = dataclasses.replace(CONFIG.bcq, gamma=0.5, tau=0.05, kl_weight=0.02, learning_rate=3e-3)
    config = dataclasses.replace(CONFIG, steps=250, batch=64, bcq=bcq)
    file = read_policy(train_bcq(config, data, 0, tmp_path / "out"))
    policy = OfflinePolicy(file)
    policy.begin_episode(Start(np.random.default_rng(0), explore=False))
    pictures = [paint(y, "green").transpose(1, 2, 0) for y in (-0.1, 0.0, 0.1)]
    actions = np.stack(
        [policy.act(picture, RobotState(np.zeros(3))) for picture in pictures for _ in range(5)]
    )
    assert actions[:, 1].mean() > 0.2  # along y; the data's mean is 0
    assert np.abs(actions).max() <= 1.0
    assert (file.task, file.updates, policy.version) == ("push", 250, 250)


@pytest.mark.parametrize("config", [CONFIG, SEEING], ids=["from images", "from poses"])
def test_killed_anywhere_and_started_again_it_ends_with_the_same_bits(
    data: Dataset, tmp_path: Path, config: OfflineConfig
) -> None:
    straight = train_bcq(config, data, 0, tmp_path / "straight")

    def fail_at(step: int):
        def tell(done: int, _: dict[str, float]) -> None:
            if done == step:
                raise PowerError

        return tell

    broken = tmp_path / "broken"
    for step in (2, 5, 7):  # before the first save, between two, before the last
        with pytest.raises(PowerError):
            train_bcq(config, data, 0, broken, fail_at(step))

    told: list[int] = []
    file = train_bcq(config, data, 0, broken, lambda done, _: told.append(done))
    assert told == [7, 8]
    assert file.read_bytes() == straight.read_bytes()
    assert (broken / "curve.json").read_text() == (tmp_path / "straight" / "curve.json").read_text()
    train_bcq(config, data, 0, broken, fail_at(0))  # finished: nothing is learned any more
    assert file.read_bytes() == straight.read_bytes()


def test_another_training_is_refused_before_an_encoder_learns(
    data: Dataset, tmp_path: Path
) -> None:
    train_bcq(CONFIG, data, 0, tmp_path / "out")
    with pytest.raises(ConfigError, match="holds another training"):
        train_bcq(SEEING, data, 0, tmp_path / "out")

    assert not (tmp_path / "out" / ENCODER).exists()


def test_a_policy_from_poses_sees_through_the_encoder_that_learned_first(
    data: Dataset, tmp_path: Path
) -> None:
    told: list[int] = []
    file = train_bcq(
        *(SEEING, data, 0, tmp_path / "out"), on_encoding=lambda done, _: told.append(done)
    )
    assert told == [1, 2, 3, 4]
    networks = read_policy(file).networks
    assert isinstance(networks, PoseBCQ)
    learned = checkpoint.read(tmp_path / "out" / ENCODER, "pose encoder").tensors
    seen_by = networks.encoder.state_dict()
    assert seen_by.keys() == learned.keys()
    assert all(torch.equal(seen_by[name], learned[name]) for name in learned)
    policy = OfflinePolicy(read_policy(file))
    policy.begin_episode(Start(np.random.default_rng(0), explore=False))
    assert policy.needs_pose
    assert policy.act(paint(0.0, "red").transpose(1, 2, 0), RobotState(np.zeros(3))).shape == (3,)


def test_more_steps_continue_a_finished_training_and_other_settings_do_not(
    data: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train_bcq(CONFIG, data, 0, out)
    told: list[int] = []
    train_bcq(
        dataclasses.replace(CONFIG, steps=10), data, 0, out, lambda done, _: told.append(done)
    )
    assert told == [9, 10]

    with pytest.raises(ConfigError, match="another training: task was push, is push-flip-green"):
        train_bcq(dataclasses.replace(CONFIG, task="push-flip-green"), data, 0, out)

    with pytest.raises(ConfigError, match="another training: bcq was"):
        train_bcq(CONFIG, data, 1, out)

    grown = dataset(tmp_path / "run", trajectory(6))
    with pytest.raises(ConfigError, match=r"another training: data was .*72.*84"):
        train_bcq(CONFIG, grown, 0, out)


def test_a_training_of_a_version_without_devices_goes_on(data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_bcq(CONFIG, data, 0, out)
    saved = checkpoint.read(out / TRAINING, "bcq training")
    del saved.values["self/identity"]["device"]
    checkpoint.write(out / TRAINING, "bcq training", saved)

    told: list[int] = []
    train_bcq(dataclasses.replace(CONFIG, steps=9), data, 0, out, lambda done, _: told.append(done))
    assert told == [9]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_training_on_a_gpu_goes_on_there_and_its_policy_acts_on_the_processor(
    data: Dataset, tmp_path: Path
) -> None:
    config, out = dataclasses.replace(CONFIG, device="cuda"), tmp_path / "out"
    train_bcq(config, data, 0, out)
    told: list[int] = []
    longer = dataclasses.replace(config, steps=10)
    file = train_bcq(longer, data, 0, out, lambda done, _: told.append(done))
    assert told == [9, 10]

    with pytest.raises(ConfigError, match="another training: device was cuda, is cpu"):
        train_bcq(CONFIG, data, 0, out)

    policy = OfflinePolicy(read_policy(file))
    policy.begin_episode(Start(np.random.default_rng(0), explore=False))
    picture = paint(0.0, "green").transpose(1, 2, 0)
    assert np.abs(policy.act(picture, RobotState(np.zeros(3)))).max() <= 1.0


def test_the_curve_holds_means_over_all_updates(data: Dataset, tmp_path: Path) -> None:
    told: list[float] = []
    config = dataclasses.replace(CONFIG, curve_points=4)
    train_bcq(
        config, data, 0, tmp_path / "out", lambda _, metrics: told.append(metrics["vae_loss"])
    )
    curve = json.loads((tmp_path / "out" / "curve.json").read_text())
    assert curve["step"] == [2, 4, 6, 8]
    assert curve["vae_loss"] == pytest.approx(np.mean(np.reshape(told, (4, 2)), axis=1).tolist())
    assert set(curve) == {
        "step",
        "critic_loss",
        "vae_loss",
        "actor_loss",
        "q",
        "td_target",
        "reward",
        "feature_spread",
    }


def test_a_number_that_is_not_finite_stops_it_and_the_last_save_stays(
    data: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train_bcq(CONFIG, data, 0, out)
    saved = (out / TRAINING).read_bytes()
    data.column("actions")[data.transitions] = np.nan

    with pytest.raises(
        LearningError,
        match=r"update 9: .*loss .*not finite.*training.safetensors holds the last save",
    ):
        train_bcq(dataclasses.replace(CONFIG, steps=20), data, 0, out)

    assert (out / TRAINING).read_bytes() == saved


def test_a_task_the_data_never_shows_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = painted(tmp_path / "run", 2, 5, face="yellow")
    with pytest.raises(TaskDataError, match="flip-green pays 0"):
        train_bcq(dataclasses.replace(CONFIG, task="flip-green"), data, 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_policy_file_is_checked_against_its_digest_and_its_kind(
    data: Dataset, tmp_path: Path
) -> None:
    file = train_bcq(CONFIG, data, 0, tmp_path / "out")
    assert file.name == POLICY
    digest = checkpoint.digest(file.read_bytes())
    assert read_policy(file, digest).sha256 == digest

    with pytest.raises(DataError, match="written anew"):
        read_policy(file, "0" * 64)

    with pytest.raises(DataError, match="train bcq"):
        read_policy(tmp_path / "none.safetensors")

    with pytest.raises(DataError, match="kind"):
        read_policy(tmp_path / "out" / TRAINING)


def test_a_policy_draws_its_proposals_from_the_episodes_randomness(
    data: Dataset, tmp_path: Path
) -> None:
    policy = OfflinePolicy(read_policy(train_bcq(CONFIG, data, 0, tmp_path / "out")))
    picture = paint(0.0, "green").transpose(1, 2, 0)

    def episode(seed: int) -> list[float]:
        policy.begin_episode(Start(np.random.default_rng(seed), explore=False))
        return [
            float(value) for _ in range(4) for value in policy.act(picture, RobotState(np.zeros(3)))
        ]

    assert episode(0) == episode(0)
    assert episode(0) != episode(1)


def test_the_practical_constants_keep_the_encoder_alive_and_the_papers_are_the_authors() -> None:
    paper, practical = bcq_constants("paper"), bcq_constants()
    assert paper.learning_rate == BCQConfig().learning_rate == 1e-3
    assert paper == BCQConfig(Description("shared", paper.networks.encoder))
    assert not paper.networks.encoder.layer_norm
    assert practical.networks.encoder.layer_norm
    rest = {"networks": paper.networks, "learning_rate": 1e-3, "gamma": 0.99}
    assert dataclasses.replace(practical, **rest) == paper
    assert OfflineConfig("push").bcq == practical

    with pytest.raises(ConfigError, match="choose from practical, paper"):
        bcq_constants("fast")


def test_positions_are_scaled_by_the_box_in_which_the_data_has_the_end_effector(
    tmp_path: Path,
) -> None:
    one = trajectory(0)
    positions = np.zeros_like(one.ee_positions)  # it does not move along z
    positions[:, :2] = np.random.default_rng(0).uniform(0.3, 0.7, (len(positions), 2))
    data = dataset(tmp_path / "run", dataclasses.replace(one, ee_positions=positions))

    encoder = dataclasses.replace(NETWORKS.encoder, ee_position=True)
    bcq = BCQConfig(dataclasses.replace(NETWORKS, encoder=encoder))
    config = dataclasses.replace(CONFIG, steps=1, bcq=bcq)
    file = read_policy(train_bcq(config, data, 0, tmp_path / "out"))

    seen = file.networks.encoder_config
    assert seen.box_low == pytest.approx((*positions.min(axis=0)[:2], -1e-3))
    assert seen.box_high == pytest.approx((*positions.max(axis=0)[:2], 1e-3))
    assert OfflinePolicy(file).needs_pose


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose from"):
        OfflineConfig("fly")
    with pytest.raises(ConfigError, match="at least 1"):
        OfflineConfig("push", steps=0)


def by_hand(run: Path) -> Dataset:
    """Six episodes, of which a person chose the first three steps of each."""
    sources = np.repeat([ActionSource.HUMAN, ActionSource.POLICY], [3, 9]).astype(np.uint8)
    return dataset(run, *(dataclasses.replace(trajectory(k), sources=sources) for k in range(6)))


@pytest.mark.parametrize(
    ("sources", "steps", "by"),
    [("all", 72, {0, 1}), ("policy", 54, {0}), ("human", 18, {1}), ("balanced", 72, {0, 1})],
)
def test_the_steps_of_one_source_or_of_both_are_learned_from(
    tmp_path: Path, sources: str, steps: int, by: set[int]
) -> None:
    data = by_hand(tmp_path / "run")
    rewards = TaskRewards(data, PoseLabels.of(data), "push", sources)
    assert len(rewards.rows) == steps == rewards.description()["steps"]
    assert set(data.sources(rewards.rows).tolist()) == by
    assert ("sources" in rewards.description()) == (sources != "all"), "an earlier training goes on"


def test_balanced_batches_are_half_a_persons_whatever_their_share(tmp_path: Path) -> None:
    data = by_hand(tmp_path / "run")
    rewards = TaskRewards(data, PoseLabels.of(data), "push", "balanced")
    batch = rewards.sample(101, np.random.default_rng(0))
    starts = {
        tuple(action)
        for action in data.actions(rewards.rows[data.sources(rewards.rows).numpy() == 1]).tolist()
    }
    assert sum(tuple(action) in starts for action in batch.actions.tolist()) == 51


def test_a_source_without_a_step_is_told_and_another_choice_is_another_training(
    data: Dataset, tmp_path: Path
) -> None:
    for sources in ("human", "balanced"):
        with pytest.raises(DataError, match="none was chosen by the human"):
            TaskRewards(data, PoseLabels.of(data), "push", sources)

    with pytest.raises(ConfigError, match="choose from all, policy, human, balanced"):
        OfflineConfig("push", sources="both")

    mixed = by_hand(tmp_path / "mixed")
    train_bcq(CONFIG, mixed, 0, tmp_path / "out")
    with pytest.raises(ConfigError, match="sources"):
        train_bcq(dataclasses.replace(CONFIG, sources="human"), mixed, 0, tmp_path / "out")


def test_a_policy_of_runs_with_a_gripper_acts_with_four_numbers_and_only_in_such_runs(
    tmp_path: Path,
) -> None:
    four = [
        dataclasses.replace(
            one, actions=np.pad(np.asarray(one.actions), ((0, 0), (0, 1)), constant_values=-1.0)
        )
        for one in (trajectory(k, 12, face="green") for k in range(3))
    ]
    data = dataset(tmp_path / "run", *four)
    file = read_policy(train_bcq(CONFIG, data, 0, tmp_path / "out"))
    acting = OfflinePolicy(file, size=4)
    acting.begin_episode(Start(np.random.default_rng(0)))
    action = acting.act(np.zeros((SIDE, SIDE, 3), np.uint8), RobotState(np.zeros(3)))
    assert action.shape == (4,)
    with pytest.raises(ConfigError, match="actions have 4 numbers, the run's 3: gripper_width"):
        OfflinePolicy(file)
