"""The networks of BCQ (Fujimoto et al. 2019) on image features.

Sizes are the authors' (docs/method.md: official BCQ).

A variational autoencoder proposes actions like those in the data. A small perturbation moves them.
Twin critics value them. The networks hold no randomness: the caller gives the latents.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import Observation
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.networks import (
    CriticHead,
    Encoder,
    EncoderConfig,
    dense,
    described,
)
from wayfarer_policies.algorithms.pose_encoder import STATE_SIZE, PoseEncoder

_LOG_STD = (-4.0, 15.0)


@dataclass(frozen=True)
class BCQHeads:
    """Widths of the dense layers, action bounds, and how far actions may be perturbed."""

    action_low: tuple[float, ...] = (-1.0, -1.0, -1.0)
    action_high: tuple[float, ...] = (1.0, 1.0, 1.0)
    vae: tuple[int, ...] = (750, 750)
    perturbation: tuple[int, ...] = (400, 300)
    critic: tuple[int, ...] = (400, 300)
    reach: float = 0.05  # greatest perturbation [half of the action range]
    # of latents drawn for proposals [their standard deviation]: the smaller, the closer proposals
    # are to the mean action of the data
    latent_clip: float = 0.5

    def __post_init__(self) -> None:
        pairs = list(zip(self.action_low, self.action_high, strict=False))
        if len(self.action_low) != len(self.action_high) or not all(
            low < high for low, high in pairs
        ):
            raise ConfigError(
                f"action bounds {self.action_low} and {self.action_high}: each low must be below "
                "its high"
            )
        if not 0.0 <= self.reach <= 2.0:
            raise ConfigError(f"reach is {self.reach}: it must lie in [0, 2]")
        if not self.latent_clip > 0.0:
            raise ConfigError(f"latent_clip is {self.latent_clip}: it must be above 0")

    @property
    def actions(self) -> int:
        """How many numbers an action has, A."""
        return len(self.action_low)

    @property
    def latent(self) -> int:
        """Size of the autoencoder's latent."""
        return 2 * self.actions


class _Bounded(nn.Module):
    """Holds the action bounds as buffers, so that they are saved with the weights."""

    low: Tensor
    high: Tensor

    def __init__(self, heads: BCQHeads) -> None:
        super().__init__()
        self.register_buffer("low", torch.tensor(heads.action_low, dtype=torch.float32))
        self.register_buffer("high", torch.tensor(heads.action_high, dtype=torch.float32))

    @property
    def half_range(self) -> Tensor:
        """Half of the action range (A,)."""
        return (self.high - self.low) / 2


class ActionModel(_Bounded):
    """The variational autoencoder: models the data's actions in a state."""

    def __init__(self, features: int, heads: BCQHeads) -> None:
        super().__init__(heads)
        actions = heads.actions
        self.encoder = nn.Sequential(dense([features + actions, *heads.vae]), nn.ReLU())
        self.mean, self.log_std = (nn.Linear(heads.vae[-1], heads.latent) for _ in range(2))
        self.decoder = dense([features + heads.latent, *heads.vae, actions])

    def forward(
        self, features: Tensor, actions: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstructed actions (B, A), and mean and log std of their latents, each
        (B, L).
        """
        hidden = self.encoder(torch.cat([features, actions], dim=1))  # (B, H)
        mean, log_std = self.mean(hidden), self.log_std(hidden).clamp(*_LOG_STD)  # (B, L)
        return self.decode(features, mean + log_std.exp() * noise), mean, log_std

    def decode(self, features: Tensor, latents: Tensor) -> Tensor:
        """Return the actions (B, A), within the bounds, of latents (B, L)."""
        unbounded = self.decoder(torch.cat([features, latents], dim=1))
        return (self.low + self.high) / 2 + self.half_range * torch.tanh(unbounded)


class PerturbationHead(_Bounded):
    """Moves a proposed action a little towards a higher value."""

    def __init__(self, features: int, heads: BCQHeads) -> None:
        super().__init__(heads)
        self.reach = heads.reach
        self.layers = dense([features + heads.actions, *heads.perturbation, heads.actions])

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """Return the moved actions within their bounds (B, A)."""
        move = (
            self.reach
            * self.half_range
            * torch.tanh(self.layers(torch.cat([features, actions], dim=1)))
        )

        return torch.clamp(actions + move, self.low, self.high)


class _Networks(nn.Module):
    """The heads; subclasses add encoders."""

    def __init__(
        self, encoder: EncoderConfig, heads: BCQHeads, features: int | None = None
    ) -> None:
        super().__init__()
        self.encoder_config, self.heads = encoder, heads
        size, actions = encoder.size if features is None else features, heads.actions
        self.vae = ActionModel(size, heads)
        self.perturbation = PerturbationHead(size, heads)
        self.q1, self.q2 = (CriticHead(size, actions, heads.critic) for _ in range(2))


class SharedBCQ(_Networks):
    """One encoder, trained by critics and autoencoder together: the fast default."""

    def __init__(self, encoder: EncoderConfig, heads: BCQHeads) -> None:
        super().__init__(encoder, heads)
        self.encoder: Encoder | PoseEncoder = Encoder(encoder)

    def features(self, observation: Observation, *readers: str) -> list[Tensor]:
        """Return the features of an observation for each of `readers` (vae, q1, q2), each (B, F).

        One pass of the encoder serves all.
        """
        return [self.encoder(observation)] * len(readers)

    def perturbation_features(self, observation: Observation, q1_features: Tensor) -> Tensor:  # noqa: ARG002
        """Return the features for the perturbation (B, F): those of Q1.

        Its loss does not reach the encoder.
        """
        return q1_features.detach()

    def perturbation_modules(self) -> list[nn.Module]:
        """Return the modules that the perturbation's loss trains: its head.

        The other losses train all others.
        """
        return [self.perturbation]


class PoseBCQ(SharedBCQ):
    """Its encoder has learned to see the cube, and stays as it is."""

    def __init__(self, encoder: EncoderConfig, heads: BCQHeads) -> None:
        _Networks.__init__(self, encoder, heads, STATE_SIZE)
        self.encoder = PoseEncoder(encoder)


class StateBCQ(SharedBCQ):
    """The heads of PoseBCQ alone, to learn from what its encoder has made of the images."""

    def __init__(self, encoder: EncoderConfig, heads: BCQHeads) -> None:
        _Networks.__init__(self, encoder, heads, STATE_SIZE)

    def features(self, observation: Observation, *readers: str) -> list[Tensor]:
        """Return the given states for each of `readers`, each (B, STATE_SIZE)."""
        return [observation.pixels] * len(readers)

    def behind(self, encoder: PoseEncoder) -> PoseBCQ:
        """Return the whole: networks that see images through this encoder."""
        whole = PoseBCQ(self.encoder_config, self.heads)
        seeing = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
        whole.load_state_dict({**self.state_dict(), **seeing})

        return whole


class SeparateBCQ(_Networks):
    """An encoder for each network."""

    def __init__(self, encoder: EncoderConfig, heads: BCQHeads) -> None:
        super().__init__(encoder, heads)
        self.encoders = nn.ModuleDict({reader: Encoder(encoder) for reader in ("vae", "q1", "q2")})
        self.perturbation_encoder = Encoder(encoder)

    def features(self, observation: Observation, *readers: str) -> list[Tensor]:
        """Return the features of an observation for each of `readers` (vae, q1, q2), each (B, F).

        Each has its own encoder.
        """
        return [self.encoders[reader](observation) for reader in readers]

    def perturbation_features(self, observation: Observation, q1_features: Tensor) -> Tensor:  # noqa: ARG002
        """Return the features for the perturbation (B, F), from its own encoder."""
        features: Tensor = self.perturbation_encoder(observation)
        return features

    def perturbation_modules(self) -> list[nn.Module]:
        """Return the modules that the perturbation's loss trains: its encoder and head.

        The other losses train all others.
        """
        return [self.perturbation_encoder, self.perturbation]


BCQNetworks = SharedBCQ | SeparateBCQ
BUILDS: dict[str, Callable[[EncoderConfig, BCQHeads], BCQNetworks]] = {
    "shared": SharedBCQ,
    "separate": SeparateBCQ,
    "pose": PoseBCQ,
    "none": StateBCQ,
}


@dataclass(frozen=True)
class Description:
    """Description from which the networks can be built again."""

    encoders: str = "shared"  # of BUILDS
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(channels=3))
    heads: BCQHeads = field(default_factory=BCQHeads)

    def __post_init__(self) -> None:
        if self.encoders not in BUILDS:
            raise ConfigError(f"encoders {self.encoders!r}: choose from {', '.join(BUILDS)}")

    @property
    def channels(self) -> int:
        """Size of an observation's second axis: image channels, or numbers of a state."""
        return STATE_SIZE if self.encoders == "none" else self.encoder.channels

    def build(self) -> BCQNetworks:
        """Make networks with new random weights."""
        return BUILDS[self.encoders](self.encoder, self.heads)


def best_actions(networks: BCQNetworks, observation: Observation, latents: Tensor) -> Tensor:
    """Propose one action for each latent (N, L) and return the one with the highest Q1 for each
    state (B, A).
    """
    count, size = len(latents), len(observation.pixels)
    vae, q1 = networks.features(observation, "vae", "q1")  # (B, F)
    moved = networks.perturbation_features(observation, q1).repeat_interleave(count, 0)  # (B N, F)

    # (B N, A)
    proposals = networks.vae.decode(vae.repeat_interleave(count, 0), latents.repeat(size, 1))
    candidates = networks.perturbation(moved, proposals)  # (B N, A)
    values = networks.q1(q1.repeat_interleave(count, 0), candidates).view(size, count)  # (B, N)
    chosen: Tensor = candidates.view(size, count, -1)[torch.arange(size), values.argmax(dim=1)]

    return chosen


def networks_state(description: Description, networks: nn.Module) -> State:
    """Return the weights with the description of their networks."""
    values = {
        "encoders": description.encoders,
        "encoder": vars(description.encoder),
        "heads": vars(description.heads),
    }

    return State(networks.state_dict(), values)


def networks_of(state: State) -> BCQNetworks:
    """Build the networks of a state, for acting; DataError if it is not a state of BCQ."""
    try:
        encoder = EncoderConfig(**described(state.value("encoder")))
        networks = Description(
            state.value("encoders"), encoder, BCQHeads(**described(state.value("heads")))
        ).build()
    except (TypeError, AttributeError) as error:
        raise DataError(f"networks of BCQ described by another version ({error})") from error

    checkpoint.restore_module(networks, state, "networks of BCQ")

    return networks.requires_grad_(False)
