import math
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import nn
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_policies.algorithms.algorithm import LearningError
from wayfarer_policies.algorithms.rnd import RND, RNDConfig

SMALL = RNDConfig(
    channels=1, height=36, width=36, filters=(4, 8, 8), features=16, learning_rate=1e-3, batch=20
)


def images(size: int = 40, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (size, 1, 36, 36), dtype=np.uint8)


def squares(columns: Iterable[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A white square on black at each of these columns."""
    drawn = np.zeros((len(places := list(columns)), 1, 36, 36), np.uint8)
    for image, column in zip(drawn, places, strict=True):
        image[0, 12:22, column : column + 10] = 255
    return drawn


def test_novelty_is_the_mean_squared_difference_of_hand_made_embeddings() -> None:
    rnd = RND(SMALL)
    rnd.target = nn.Sequential(nn.Flatten(), nn.Linear(36 * 36, 2))  # type: ignore[assignment]
    rnd.predictor = nn.Sequential(nn.Flatten(), nn.Linear(36 * 36, 2))  # type: ignore[assignment]
    rnd.target.dtype = torch.float32

    for network, bias in ((rnd.target, [1.0, 2.0]), (rnd.predictor, [4.0, 0.0])):
        nn.init.zeros_(network[1].weight)  # type: ignore[index]
        network[1].bias.data = torch.tensor(bias)  # type: ignore[index]

    # ((4 - 1)^2 + (0 - 2)^2) / 2
    assert rnd.novelty(images(3)).tolist() == pytest.approx([6.5] * 3)


def test_sizes_are_the_authors() -> None:
    rnd = RND(RNDConfig())
    assert [m.out_features for m in rnd.target.modules() if isinstance(m, nn.Linear)] == [512]
    assert [m.out_features for m in rnd.predictor.modules() if isinstance(m, nn.Linear)] == [
        512,
        512,
        512,
    ]
    convolutions = [m for m in rnd.predictor.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size[0], m.stride[0]) for m in convolutions] == [
        (32, 8, 4),
        (64, 4, 2),
        (64, 3, 1),
    ]
    assert sum(isinstance(m, nn.LeakyReLU) for m in rnd.target.modules()) == 3


def test_weights_are_orthogonal_with_gain_root_two() -> None:
    # (512, 3136)
    weight = next(
        m for m in RND(RNDConfig()).predictor.modules() if isinstance(m, nn.Linear)
    ).weight
    product = weight @ weight.T
    assert torch.allclose(product, 2 * torch.eye(512), atol=1e-4)
    assert math.sqrt(float(product[0, 0].detach())) == pytest.approx(math.sqrt(2), abs=1e-4)


def test_fitting_lowers_the_novelty_of_what_was_seen_and_leaves_the_target() -> None:
    rnd = RND(SMALL)
    seen = squares(range(0, 20))
    target = [p.clone() for p in rnd.target.parameters()]
    losses = rnd.fit(seen, epochs=60)
    assert len(losses) == 60
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(a, b) for a, b in zip(target, rnd.target.parameters(), strict=True))


def test_an_image_never_seen_is_more_novel_than_known_ones() -> None:
    rnd = RND(SMALL)
    rnd.fit(squares(range(0, 14)), epochs=40)
    assert rnd.novelty(squares([24])).min() > 2 * rnd.novelty(squares(range(0, 14))).max()


def test_the_same_seed_gives_the_same_networks_and_fits() -> None:
    a, b, c = RND(SMALL), RND(SMALL), RND(RNDConfig(**{**vars(SMALL), "seed": 1}))
    assert (a.novelty(images()) == b.novelty(images())).all()
    assert (a.novelty(images()) != c.novelty(images())).any()
    assert a.fit(images(), 2) == b.fit(images(), 2)


def test_state_carries_weights_statistics_optimiser_and_generator() -> None:
    one, other = RND(SMALL), RND(RNDConfig(**{**vars(SMALL), "seed": 1}))
    one.fit(images(), 2)
    other.restore(one.state())
    assert (one.novelty(images()) == other.novelty(images())).all()
    assert one.fit(images(seed=3), 2) == other.fit(images(seed=3), 2)
    assert other.fits == 2


def test_wrong_images_and_values_are_refused() -> None:
    rnd = RND(SMALL)
    for wrong in (images()[:, :, :30], images(0)):
        with pytest.raises(DataError, match="shape"):
            rnd.novelty(wrong)

    with pytest.raises(ConfigError, match="epochs is 0"):
        rnd.fit(images(), epochs=0)

    with pytest.raises(ConfigError, match="precision"):
        RNDConfig(precision="float8")

    with pytest.raises(DataError, match="expected"):
        rnd.restore(RND(RNDConfig(**{**vars(SMALL), "features": 8})).state())


def test_broken_weights_are_an_error_and_no_step() -> None:
    rnd = RND(SMALL)
    next(rnd.predictor.parameters()).data[0] = float("nan")
    before = [p.clone() for p in rnd.predictor.parameters()]

    with pytest.raises(LearningError, match="RND loss"):
        rnd.fit(images())

    after = rnd.predictor.parameters()
    assert all(
        torch.equal(
            a,
            b,
        )
        or a.isnan().any()
        for a, b in zip(before, after, strict=True)
    )
