"""What every learning algorithm promises, whatever it learns."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from wayfarer_core.errors import DataError
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import (
    Algorithm,
    LabelledBatch,
    LearningError,
    Observation,
)
from wayfarer_policies.algorithms.bcq import BCQ, BCQConfig
from wayfarer_policies.algorithms.bcq_networks import BCQHeads, Description
from wayfarer_policies.algorithms.ddqn import DDQN, DDQNConfig
from wayfarer_policies.algorithms.networks import EncoderConfig, Heads, SeparateEncoders
from wayfarer_policies.algorithms.td3 import TD3, TD3Config

SIDE, ACTIONS = 36, 6
HEADS = Heads((-1.0, -0.5, 0.0), (1.0, 0.5, 2.0), (20, 10), (20, 10))
LOW, HIGH = np.array(HEADS.action_low), np.array(HEADS.action_high)


@dataclasses.dataclass(frozen=True)
class Case:
    """A learner, and what it takes."""

    build: Callable[[int], Algorithm]
    goal: bool = True
    discrete: bool = False
    constants: frozenset[str] = frozenset({"networks/policy.low", "networks/policy.high"})

    @property
    def channels(self) -> int:
        return 6 if self.goal else 3


def encoder(
    channels: int = 6, ee_position: bool = False, precision: str = "float32"
) -> EncoderConfig:
    return EncoderConfig(channels, SIDE, SIDE, (4, 8, 8), 16, ee_position, precision)


def td3(config: EncoderConfig, seed: int) -> TD3Config:
    return TD3Config(
        encoder=config, heads=HEADS, critic_learning_rate=1e-3, actor_learning_rate=1e-3, seed=seed
    )


PRACTICAL = EncoderConfig(
    6,
    SIDE,
    SIDE,
    (4, 8, 8),
    16,
    ee_position=True,
    goal_ee_position=True,
    box_low=(0.0, 0.0, 0.0),
    layer_norm=True,
)


def ddqn(config: EncoderConfig, seed: int) -> DDQNConfig:
    return DDQNConfig(encoder=config, learning_rate=1e-3, seed=seed)


def bcq(seed: int, channels: int = 3, encoders: str = "shared", precision: str = "float32") -> BCQ:
    heads = BCQHeads(HEADS.action_low, HEADS.action_high, (20, 20), (20, 10), (20, 10))
    networks = Description(encoders, encoder(channels, precision=precision), heads)
    return BCQ(BCQConfig(networks, learning_rate=1e-3, seed=seed))


BCQ_BOUNDS = frozenset(
    f"networks/{part}.{end}" for part in ("vae", "perturbation") for end in ("low", "high")
)
CASES = {
    "td3 with goals, one shared encoder": Case(lambda seed: TD3(td3(encoder(), seed))),
    "td3 with goals, separate encoders": Case(
        lambda seed: TD3(td3(encoder(), seed), SeparateEncoders)
    ),
    "td3 with goals, bfloat16": Case(lambda seed: TD3(td3(encoder(precision="bfloat16"), seed))),
    "td3 with goals and the arm's position": Case(
        lambda seed: TD3(td3(encoder(ee_position=True), seed))
    ),
    "td3 with goals, layer normalisation, both positions and a penalty": Case(
        lambda seed: TD3(dataclasses.replace(td3(PRACTICAL, seed), action_penalty=0.02))
    ),
    "td3 without goals": Case(lambda seed: TD3(td3(encoder(3), seed)), goal=False),
    "double dqn with goals": Case(lambda seed: DDQN(ddqn(encoder(), seed)), discrete=True),
    "double dqn without goals": Case(
        lambda seed: DDQN(ddqn(encoder(3), seed)), goal=False, discrete=True
    ),
    "bcq, one shared encoder": Case(bcq, goal=False, constants=BCQ_BOUNDS),
    "bcq, separate encoders": Case(
        lambda seed: bcq(seed, encoders="separate"), goal=False, constants=BCQ_BOUNDS
    ),
    "bcq with goals, bfloat16": Case(
        lambda seed: bcq(seed, 6, precision="bfloat16"), constants=BCQ_BOUNDS
    ),
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks: a second thread costs more than it brings."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def batch(case: Case, size: int = 12, seed: int = 0) -> LabelledBatch:
    generator = torch.Generator().manual_seed(seed)

    def observation() -> Observation:
        shape = (size, case.channels, SIDE, SIDE)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        positions = torch.rand(2, size, 3, generator=generator)
        return Observation(pixels, positions[0], positions[1] if case.goal else None)

    if case.discrete:
        actions = torch.randint(0, ACTIONS, (size,), generator=generator)
    else:
        actions = torch.rand(size, 3, generator=generator)

    rewards = -torch.rand(size, generator=generator)

    return LabelledBatch(
        observation(), actions, rewards, observation(), torch.arange(size) % 4 == 0
    )


def choose(learner: Algorithm, case: Case, seed: int = 0) -> NDArray[np.generic]:
    chosen: NDArray[np.generic] = learner.greedy(
        batch(case, size=1, seed=seed).observations
    ).numpy()
    return chosen[0]


def numbers(metrics: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def tensors(learner: Algorithm) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in learner.state().tensors.items()}


def weights(learner: Algorithm) -> dict[str, bytes]:
    return {name: data for name, data in tensors(learner).items() if name.startswith("network")}


def test_actions_are_finite_and_in_bounds(case: Case) -> None:
    learner = case.build(0)
    for seed in range(20):
        action = choose(learner, case, seed)
        if case.discrete:
            assert action.shape == ()
            assert int(action) in range(ACTIONS)
        else:
            assert action.shape == (3,)
            assert action.dtype == np.float32
            assert np.isfinite(action).all()
            assert ((action >= LOW) & (action <= HIGH)).all()


def test_the_same_observation_always_gets_the_same_action(case: Case) -> None:
    learner = case.build(0)
    assert (choose(learner, case) == choose(learner, case)).all()


def test_a_probe_tells_finite_numbers_and_changes_nothing(case: Case) -> None:
    learner = case.build(0)
    before = tensors(learner)
    found = learner.probe(batch(case, size=64))
    assert all(np.isfinite(value) for value in found.values())
    assert tensors(learner) == before


def test_an_update_changes_the_weights_and_counts(case: Case) -> None:
    learner = case.build(0)
    before = weights(learner)
    metrics = [learner.update(batch(case, seed=k)) for k in range(2)]
    after = weights(learner)
    changed = [name for name in before if before[name] != after[name]]
    assert set(changed) == set(before) - case.constants
    assert learner.updates == 2
    learner.check()
    assert all(np.isfinite(list(numbers(of).values())).all() for of in metrics)


def test_learning_lowers_the_loss_on_one_batch(case: Case) -> None:
    learner = case.build(0)
    same = batch(case)
    same = dataclasses.replace(
        same, rewards=torch.full((12,), -3.0), terminated=torch.ones(12, dtype=torch.bool)
    )
    first = learner.update(same)

    for _ in range(150):
        last = learner.update(same)

    name = "loss" if "loss" in first else "critic_loss"
    assert last[name] < 0.5 * first[name]


def test_the_same_seed_gives_the_same_learner_and_another_seed_another(case: Case) -> None:
    learners = [case.build(seed) for seed in (0, 0, 1)]
    for learner in learners:
        learner.update(batch(case))
        learner.update(batch(case))

    assert tensors(learners[0]) == tensors(learners[1])
    assert weights(learners[0]) != weights(learners[2])


def test_the_global_random_state_is_neither_used_nor_touched(case: Case) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = case.build(0)
    first.update(batch(case))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    second = case.build(0)
    second.update(batch(case))
    assert tensors(first) == tensors(second)


def test_saving_and_restoring_is_exact_and_so_is_what_follows(case: Case) -> None:
    one, other = case.build(0), case.build(1)
    for k in range(3):
        one.update(batch(case, seed=k))

    other.restore(checkpoint.from_bytes(checkpoint.to_bytes("test", one.state()), "test"))
    assert tensors(one) == tensors(other)
    assert dict(one.state().values) == dict(other.state().values)

    for k in range(3):
        told = [numbers(learner.update(batch(case, seed=9 + k))) for learner in (one, other)]
        assert told[0] == told[1]
        assert (choose(one, case, seed=k) == choose(other, case, seed=k)).all()

    assert tensors(one) == tensors(other)


def test_a_state_is_a_snapshot_once_it_is_bytes(case: Case) -> None:
    learner = case.build(0)
    saved = checkpoint.to_bytes("test", learner.state())
    before = tensors(learner)
    learner.update(batch(case))
    learner.restore(checkpoint.from_bytes(saved, "test"))
    assert weights(learner) == {
        name: data for name, data in before.items() if name in weights(learner)
    }


def test_after_a_nan_in_a_batch_no_weight_moves_until_the_check_says_so(case: Case) -> None:
    learner = case.build(0)
    learner.update(batch(case))
    before = weights(learner)
    spoiled = batch(case, seed=1)
    spoiled.rewards[3] = float("nan")

    for k in range(3):
        learner.update(spoiled if k == 0 else batch(case, seed=k))

    assert weights(learner) == before
    with pytest.raises(LearningError, match=r"loss .*not finite"):
        learner.check()

    assert weights(learner) == before

    for k in range(2):
        learner.update(batch(case, seed=k))

    learner.check()
    assert weights(learner) != before


def test_wrong_shapes_are_an_error_that_says_which(case: Case) -> None:
    learner = case.build(0)
    good = batch(case)
    wrong_channels = Observation(good.observations.pixels[:, :1], good.observations.ee_positions)

    with pytest.raises(DataError, match="observations have the shape"):
        learner.update(dataclasses.replace(good, observations=wrong_channels))

    with pytest.raises(DataError, match="actions have the shape"):
        learner.update(dataclasses.replace(good, actions=torch.zeros(12, 2)))

    with pytest.raises(DataError, match="terminated have the shape"):
        learner.update(dataclasses.replace(good, terminated=good.terminated[:-1]))


def test_the_state_of_other_shapes_is_refused_and_nothing_changes(case: Case) -> None:
    learner = case.build(0)
    other_encoder = EncoderConfig(case.channels, SIDE, SIDE, (4, 8, 8), 24)
    other: Algorithm = (
        DDQN(DDQNConfig(encoder=other_encoder))
        if case.discrete
        else TD3(TD3Config(encoder=other_encoder, heads=HEADS))
    )
    before = tensors(learner)

    with pytest.raises(DataError):
        learner.restore(other.state())

    assert tensors(learner) == before


def test_an_update_waits_for_nothing_that_the_device_computes(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = case.build(0)
    learner.update(batch(case))  # optimisers make their state in the first step

    def wait(*_: object, **__: object) -> None:
        raise AssertionError("this would wait for the device")

    prepared = [batch(case, seed=k) for k in range(2)]
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(Tensor, name, wait)

    for one in prepared:
        learner.update(one)
