"""Networks: an image encoder, heads on its features, and two ways to share encoders.

Sizes are the authors' (docs/method.md): convolutions 32/8s4, 64/4s2, 64/3s1, dense 256, relu, no
batch norm; actor 300-200 with tanh, critics 400-300; images divided by 255; the goal image follows
the image on the channel axis.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import Observation
from wayfarer_policies.algorithms.checkpoint import State

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
DEVICES = ("auto", "cpu", "cuda")
_LEAST_SPREAD = 1e-3  # m; a smaller spread of positions is not scaled up further


@dataclass(frozen=True)
class EncoderConfig:
    """Inputs and widths of an encoder."""

    channels: int = 6  # image channels, the goal's included
    height: int = 84  # [pixels]
    width: int = 84  # [pixels]
    filters: tuple[int, int, int] = (32, 64, 64)
    features: int = 256
    ee_position: bool = False  # adds the end effector's position (3,) [m]; never an object's
    precision: str = "float32"  # of the convolutions; heads and losses are always float32
    goal_ee_position: bool = False  # adds the end effector's position in the goal image
    # [m], base frame; positions are scaled so that the box
    box_low: tuple[float, float, float] = (-1.0, -1.0, -1.0)
    # [m], base frame; from low to high spans -1 .. 1
    box_high: tuple[float, float, float] = (1.0, 1.0, 1.0)
    # layer normalisation and tanh after the dense layer, instead of relu
    layer_norm: bool = False

    def __post_init__(self) -> None:
        if (
            self.channels < 1
            or self.features < 1
            or len(self.filters) != 3
            or min(self.filters) < 1
        ):
            raise ConfigError(
                f"channels, features and three filters must be at least 1, not {self}"
            )
        if min(self.height, self.width) < 36:
            raise ConfigError(
                f"images of {self.height}x{self.width} are too small to convolve: at least 36x36"
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision {self.precision!r}: choose from {sorted(PRECISIONS)}")
        if not all(low < high for low, high in zip(self.box_low, self.box_high, strict=True)):
            raise ConfigError(
                f"box from {self.box_low} to {self.box_high}: each side must be longer than nothing"
            )

    @property
    def size(self) -> int:
        """Number of features that the encoder returns, positions included."""
        return self.features + 3 * self.ee_position + 3 * self.goal_ee_position


def fast_precision(device: str = "cpu") -> str:
    """Return the faster precision on this device.

    Bfloat16 if the hardware multiplies it, else float32.
    """
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"


def compute_device(name: str) -> str:
    """Return the device that one of DEVICES means: "auto" is "cuda" if present, else "cpu".

    ConfigError for "cuda" where PyTorch has none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device cuda: PyTorch {torch.__version__} finds no CUDA device; choose auto or cpu"
        )

    return name


def convolutions(
    channels: int,
    filters: Sequence[int],
    height: int,
    width: int,
    activation: Callable[[], nn.Module],
) -> tuple[nn.Sequential, int]:
    """Return the DQN trunk (Mnih et al. 2015) and its number of flattened features."""
    first, second, third = filters
    trunk = nn.Sequential(
        *(nn.Conv2d(channels, first, 8, stride=4), activation()),  # 84 -> 20
        *(nn.Conv2d(first, second, 4, stride=2), activation()),  # 20 -> 9
        *(nn.Conv2d(second, third, 3, stride=1), activation(), nn.Flatten()),  # 9 -> 7
    )

    def side(pixels: int) -> int:
        return ((pixels - 8) // 4 + 1 - 4) // 2 + 1 - 2

    return trunk, third * side(height) * side(width)


def dense(sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Return dense layers with an activation between them, none after the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


class Encoder(nn.Module):
    """Turns images, and optionally positions of the end effector, into features."""

    low: Tensor
    high: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk, flat = convolutions(
            config.channels, config.filters, config.height, config.width, nn.ReLU
        )
        self.dense = nn.Linear(flat, config.features)
        self.norm = nn.LayerNorm(config.features) if config.layer_norm else None
        self.dtype = PRECISIONS[config.precision]
        self.register_buffer("low", torch.tensor(config.box_low), persistent=False)
        self.register_buffer("high", torch.tensor(config.box_high), persistent=False)

    def forward(self, observation: Observation) -> Tensor:
        """Return features (B, size) float32.

        DataError if the goal's position is needed and missing.
        """
        pixels = observation.pixels  # (B, C, H, W) uint8
        with torch.autocast(
            pixels.device.type, self.dtype, enabled=self.dtype is not torch.float32
        ):
            features = self.dense(self.trunk(pixels.to(self.dtype).div_(255)))  # (B, features)
            features = torch.relu(features) if self.norm is None else features

        features = features.float()
        if self.norm is not None:
            features = torch.tanh(self.norm(features))

        parts = [features]
        if self.config.ee_position:
            parts.append(self.scaled(observation.ee_positions))

        if self.config.goal_ee_position:
            if observation.goal_ee_positions is None:
                raise DataError(
                    "these networks need the end effector's position in the goal image: there is "
                    "none"
                )

            parts.append(self.scaled(observation.goal_ee_positions))

        return torch.cat(parts, dim=1) if len(parts) > 1 else features

    def scaled(self, positions: Tensor) -> Tensor:
        """Return positions (B, 3) [m] scaled so that the box spans -1 to 1."""
        centre, reach = (self.high + self.low) / 2, (self.high - self.low) / 2
        return (positions - centre) / reach


class PositionScale(nn.Module):
    """Holds mean and spread of the positions that a network learns to tell."""

    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(3))  # m, of the positions learned from
        self.register_buffer("spread", torch.ones(()))  # m

    def fit_scale(self, positions: Tensor) -> None:
        """Scale the output by mean and spread (over all axes) of these positions (N, 3) [m]."""
        self.centre.copy_(positions.mean(dim=0))
        self.spread.copy_((positions - self.centre).square().mean().sqrt().clamp(min=_LEAST_SPREAD))


class PolicyHead(nn.Module):
    """Turns features into an action between bounds; the bounds are buffers, saved with the
    weights.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self, features: int, low: Sequence[float], high: Sequence[float], hidden: Sequence[int]
    ) -> None:
        super().__init__()
        self.layers = dense([features, *hidden, len(low)])
        self.register_buffer("low", torch.tensor(low, dtype=torch.float32))
        self.register_buffer("high", torch.tensor(high, dtype=torch.float32))
        if len(low) != len(high) or not bool((self.low < self.high).all()):
            raise ConfigError(
                f"action bounds {tuple(low)} and {tuple(high)}: each low must be below its high"
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return actions (B, A) in [low, high]."""
        return self.squash(self.layers(features))

    def squash(self, unbounded: Tensor) -> Tensor:
        """Return actions (B, A) in [low, high] for the output of the layers (B, A)."""
        centre, reach = (self.high + self.low) / 2, (self.high - self.low) / 2
        return centre + reach * torch.tanh(unbounded)


class CriticHead(nn.Module):
    """Turns features and an action into a value."""

    def __init__(self, features: int, actions: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = dense([features + actions, *hidden, 1])

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """Return Q (B,)."""
        value: Tensor = self.layers(torch.cat([features, actions], dim=1)).squeeze(1)
        return value


@dataclass(frozen=True)
class Heads:
    """Widths of the dense layers and the action bounds."""

    action_low: tuple[float, ...] = (-1.0, -1.0, -1.0)
    action_high: tuple[float, ...] = (1.0, 1.0, 1.0)
    actor: tuple[int, ...] = (300, 200)
    critic: tuple[int, ...] = (400, 300)

    @property
    def actions(self) -> int:
        """How many numbers an action has, A."""
        return len(self.action_low)


class Actor(nn.Module):
    """The policy alone, as it is sent to the robot."""

    def __init__(self, encoder: Encoder, head: PolicyHead, heads: Heads) -> None:
        super().__init__()
        self.encoder, self.head, self.heads = encoder, head, heads

    def forward(self, observation: Observation) -> Tensor:
        """Return actions (B, A)."""
        actions: Tensor = self.head(self.encoder(observation))
        return actions


class _Networks(nn.Module):
    """The heads; subclasses add encoders."""

    def __init__(self, encoder: EncoderConfig, heads: Heads) -> None:
        super().__init__()
        self.heads = heads
        size, actions = encoder.size, heads.actions
        self.policy = PolicyHead(size, heads.action_low, heads.action_high, heads.actor)
        self.q1 = CriticHead(size, actions, heads.critic)
        self.q2 = CriticHead(size, actions, heads.critic)


class SharedEncoder(_Networks):
    """One encoder for all heads, trained only by the critics: the fast default."""

    def __init__(self, encoder: EncoderConfig, heads: Heads) -> None:
        super().__init__(encoder, heads)
        self.encoder = Encoder(encoder)

    def critic_features(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the features for Q1 and Q2: one pass serves both."""
        features = self.encoder(observation)  # (B, F)
        return features, features

    def actor_features(
        self,
        observation: Observation,  # noqa: ARG002
        critic_features: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Return the critics' features; the actor's loss does not reach the encoder."""
        return critic_features[0].detach()

    def critic_modules(self) -> list[nn.Module]:
        """Return encoder and both heads."""
        return [self.encoder, self.q1, self.q2]

    def actor_modules(self) -> list[nn.Module]:
        """Return the policy's head."""
        return [self.policy]

    def actor(self) -> Actor:
        """Return the policy as one module."""
        return Actor(self.encoder, self.policy, self.heads)


class SeparateEncoders(_Networks):
    """An encoder for each network, as in the paper."""

    def __init__(self, encoder: EncoderConfig, heads: Heads) -> None:
        super().__init__(encoder, heads)
        self.actor_encoder = Encoder(encoder)
        self.q1_encoder = Encoder(encoder)
        self.q2_encoder = Encoder(encoder)

    def critic_features(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the features for Q1 and Q2, from an encoder each."""
        return self.q1_encoder(observation), self.q2_encoder(observation)

    def actor_features(
        self,
        observation: Observation,
        critic_features: tuple[Tensor, Tensor],  # noqa: ARG002
    ) -> Tensor:
        """Return the features for the actor, from its own encoder."""
        features: Tensor = self.actor_encoder(observation)
        return features

    def critic_modules(self) -> list[nn.Module]:
        """Return both critics."""
        return [self.q1_encoder, self.q2_encoder, self.q1, self.q2]

    def actor_modules(self) -> list[nn.Module]:
        """Return encoder and head."""
        return [self.actor_encoder, self.policy]

    def actor(self) -> Actor:
        """Return the policy as one module."""
        return Actor(self.actor_encoder, self.policy, self.heads)


class QNetwork(nn.Module):
    """Values of discrete actions."""

    def __init__(self, encoder: EncoderConfig, actions: int, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        if actions < 2:
            raise ConfigError(f"{actions} actions: at least 2 are needed")

        self.encoder = Encoder(encoder)
        self.head = dense([encoder.size, *hidden, actions])
        self.actions = actions

    def forward(self, observation: Observation) -> Tensor:
        """Return Q of every action (B, actions)."""
        values: Tensor = self.head(self.encoder(observation))
        return values


# --- weights on the wire ---


def weights_to_bytes(actor: Actor) -> tuple[bytes, str]:
    """Return a policy as safetensors bytes with the description of its network, and their SHA-256
    hex digest.
    """
    own: dict[str, Any] = {"encoder": vars(actor.encoder.config), "heads": vars(actor.heads)}
    data = checkpoint.to_bytes("actor", State(actor.state_dict(), own))
    return data, checkpoint.digest(data)


def weights_from_bytes(data: bytes, sha256: str) -> Actor:
    """Build the policy from bytes.

    DataError if they do not match the digest, or are no policy.
    """
    if checkpoint.digest(data) != sha256:
        raise DataError(f"weights: SHA-256 is {checkpoint.digest(data)}, announced was {sha256}")

    state = checkpoint.from_bytes(data, "actor")
    try:
        encoder = EncoderConfig(**described(state.value("encoder")))
        heads = Heads(**described(state.value("heads")))
    except (TypeError, AttributeError) as error:
        raise DataError(f"weights: described by another version ({error})") from error

    built = Encoder(encoder)
    actor = Actor(
        built, PolicyHead(encoder.size, heads.action_low, heads.action_high, heads.actor), heads
    )
    checkpoint.restore_module(actor, state, "weights")

    return actor.requires_grad_(False)


def described(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a frozen dataclass from JSON values, with lists turned back into
    tuples.
    """
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
