import pytest
import torch
from torch import nn
from wayfarer_core.errors import ConfigError
from wayfarer_policies.algorithms.algorithm import Observation
from wayfarer_policies.algorithms.networks import (
    Encoder,
    EncoderConfig,
    Heads,
    PolicyHead,
    SharedEncoder,
    compute_device,
    fast_precision,
)


def observation(channels: int = 6, side: int = 84) -> Observation:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(
        0, 256, (2, channels, side, side), dtype=torch.uint8, generator=generator
    )

    return Observation(pixels, torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))


def test_sizes_are_the_authors() -> None:
    networks = SharedEncoder(EncoderConfig(), Heads())
    shapes = [
        tuple(m.weight.shape)
        for m in networks.encoder.modules()
        if isinstance(m, nn.Conv2d | nn.Linear)
    ]
    assert shapes == [(32, 6, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (256, 3136)]
    assert [m.out_features for m in networks.policy.modules() if isinstance(m, nn.Linear)] == [
        300,
        200,
        3,
    ]
    assert [m.out_features for m in networks.q1.modules() if isinstance(m, nn.Linear)] == [
        400,
        300,
        1,
    ]


def test_images_are_divided_by_255() -> None:
    encoder = Encoder(EncoderConfig(filters=(4, 4, 4), features=8))
    seen: list[float] = []
    encoder.trunk.register_forward_pre_hook(lambda _, inputs: seen.append(float(inputs[0].max())))
    encoder(Observation(torch.full((1, 6, 84, 84), 255, dtype=torch.uint8), torch.zeros(1, 3)))
    assert seen == [1.0]


def test_bfloat16_features_are_near_the_float32_ones_and_come_out_as_float32() -> None:
    exact = Encoder(EncoderConfig())
    rounded = Encoder(EncoderConfig(precision="bfloat16"))
    rounded.load_state_dict(exact.state_dict())
    a, b = exact(observation()), rounded(observation())
    assert b.dtype == torch.float32
    assert float((a - b).detach().abs().max()) < 0.03 * float(a.detach().abs().max())


def test_the_arms_position_is_an_input_only_where_asked_for() -> None:
    without, with_it = (
        Encoder(EncoderConfig(filters=(4, 4, 4), features=8)),
        Encoder(EncoderConfig(filters=(4, 4, 4), features=8, ee_position=True)),
    )
    assert without(observation()).shape == (2, 8)
    features = with_it(observation())
    assert features.shape == (2, 11)
    assert torch.equal(features[:, 8:], observation().ee_positions)


def test_actions_fill_their_bounds_and_bounds_travel_with_the_weights() -> None:
    head = PolicyHead(4, low=(-2.0, 0.0), high=(2.0, 1.0), hidden=(5,))
    assert {"low", "high"} <= head.state_dict().keys()
    nn.init.constant_(head.layers[-1].bias, 50.0)  # type: ignore[arg-type]
    assert head(torch.zeros(1, 4))[0].tolist() == [2.0, 1.0]
    nn.init.constant_(head.layers[-1].bias, -50.0)  # type: ignore[arg-type]
    assert head(torch.zeros(1, 4))[0].tolist() == [-2.0, 0.0]

    with pytest.raises(ConfigError, match="bounds"):
        PolicyHead(4, low=(1.0,), high=(1.0,), hidden=())


def test_fast_precision_is_one_of_the_known() -> None:
    assert fast_precision() in ("float32", "bfloat16")


def test_a_device_that_is_not_there_is_refused_and_auto_takes_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert compute_device("auto") == compute_device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="finds no CUDA device; choose auto or cpu"):
        compute_device("cuda")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert compute_device("auto") == compute_device("cuda") == "cuda"
    assert compute_device("cpu") == "cpu"
