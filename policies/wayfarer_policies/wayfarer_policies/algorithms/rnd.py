"""Random network distillation (Burda et al. 2018).

A trained network predicts the output of a fixed one; its prediction error for an image is the
novelty of that image.

Sizes are the authors' (docs/method.md): leaky relu convolutions, target dense 512, predictor dense
512-512-512, orthogonal weights with gain sqrt(2), whitened input clipped to +-5, Adam 1e-4, 4
epochs in batches of 500 over the last images.
"""

import math
import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_core.options import WHITENING

from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import Guard, positive
from wayfarer_policies.algorithms.checkpoint import Part, State
from wayfarer_policies.algorithms.networks import PRECISIONS, convolutions, dense
from wayfarer_policies.algorithms.normalizer import Whitening

CHUNK = 250  # images processed together: fits a core's cache better than all at once


@dataclass(frozen=True)
class RNDConfig:
    """Sizes and learning rates of RND."""

    channels: int = 3
    height: int = 84  # [pixels]
    width: int = 84  # [pixels]
    filters: tuple[int, int, int] = (32, 64, 64)
    features: int = 512
    learning_rate: float = 1e-4
    clip: float = 5.0  # [standard deviations]
    batch: int = 500
    precision: str = "float32"  # of the convolutions
    seed: int = 0
    # when the images' statistics are updated: at each fit, or at each episode (see `see`)
    whitening: str = "fits"

    def __post_init__(self) -> None:
        positive("learning_rate", self.learning_rate)
        positive("clip", self.clip)
        if self.batch < 1 or self.features < 1:
            raise ConfigError(f"batch {self.batch} and features {self.features} must be at least 1")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision {self.precision!r}: choose from {sorted(PRECISIONS)}")
        if self.whitening not in WHITENING:
            raise ConfigError(f"whitening {self.whitening!r}: choose from {', '.join(WHITENING)}")


class _Embedding(nn.Module):
    """Whitened image -> embedding."""

    def __init__(self, config: RNDConfig, layers: int) -> None:
        super().__init__()
        self.trunk, flat = convolutions(
            config.channels, config.filters, config.height, config.width, nn.LeakyReLU
        )
        self.dense = dense([flat, *[config.features] * layers])
        self.dtype = PRECISIONS[config.precision]

    def forward(self, whitened: Tensor) -> Tensor:
        """Return embeddings (B, features) float32.

        The dense layers stay in float32, which small errors need.
        """
        with torch.autocast(
            whitened.device.type, self.dtype, enabled=self.dtype is not torch.float32
        ):
            features = self.trunk(whitened)  # (B, flat)

        embedding: Tensor = self.dense(features.float())

        return embedding


class RND:
    """Novelty of images; it falls as the predictor learns them."""

    def __init__(self, config: RNDConfig, device: str = "cpu") -> None:
        self.config, self.device = config, torch.device(device)

        # weights, then the order of images in `fit`
        self.generator = torch.Generator().manual_seed(config.seed)
        self.target = (
            self._orthogonal(_Embedding(config, layers=1)).to(self.device).requires_grad_(False)
        )
        self.predictor = self._orthogonal(_Embedding(config, layers=3)).to(self.device)
        self.whitening = Whitening((config.channels, config.height, config.width), config.clip).to(
            self.device
        )
        self.optimizer = torch.optim.Adam(
            self.predictor.parameters(), lr=config.learning_rate, fused=True
        )
        self.guard = Guard()
        self.fits = 0

        # number of the last episode in the statistics, if episodes update them
        self.seen_until = -1

        # overlapped learning scores images while another thread may be fitting
        self._lock = threading.Lock()

    def _orthogonal(self, module: _Embedding) -> _Embedding:
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.orthogonal_(layer.weight, math.sqrt(2), generator=self.generator)
                layer.bias.data.zero_() if layer.bias is not None else None

        return module

    @torch.no_grad()
    def novelty(self, images: NDArray[np.uint8] | Tensor) -> NDArray[np.float32]:
        """Return the mean squared prediction error of each image (B, C, H, W) uint8 -> (B,)."""
        novelty: NDArray[np.float32] = self.scores(images).cpu().numpy()
        return novelty

    @torch.no_grad()
    def scores(self, images: NDArray[np.uint8] | Tensor) -> Tensor:
        """Return the same on the device (B,), without waiting for it."""
        chunks = torch.split(torch.as_tensor(self._checked(images)), CHUNK)
        with self._lock:
            return torch.cat([self._errors(self._whiten(chunk)) for chunk in chunks])

    def _errors(self, whitened: Tensor, embedded: Tensor | None = None) -> Tensor:
        target = self.target(whitened) if embedded is None else embedded  # (B, features)
        errors: Tensor = (self.predictor(whitened) - target).square().mean(dim=1)  # (B,)
        return errors

    def _whiten(self, images: Tensor) -> Tensor:
        whitened: Tensor = self.whitening(images.to(self.device))
        return whitened.to(self.target.dtype)  # half the memory where the convolutions are bfloat16

    def see(self, images: NDArray[np.uint8] | Tensor, episodes: NDArray[np.int64]) -> None:
        """Add images (B, C, H, W) of episodes (B,) to the statistics, each episode once.

        If fits update the statistics, do nothing.

        Episodes come in the order of their numbers. After a restart only episodes that were
        not saved are added again.
        """
        if self.config.whitening != "episodes":
            return

        frames = torch.as_tensor(self._checked(images))
        with self._lock:
            for number in np.unique(episodes[episodes > self.seen_until]).tolist():
                self.whitening.update(frames[torch.from_numpy(episodes == number)].to(self.device))
                self.seen_until = number

    def fit(self, images: NDArray[np.uint8] | Tensor, epochs: int = 4) -> list[float]:
        """Train the predictor on these images (B, C, H, W); return the mean loss of each epoch."""
        if epochs < 1:
            raise ConfigError(f"epochs is {epochs}: it must be at least 1")

        chunks = torch.split(torch.as_tensor(self._checked(images)), CHUNK)
        with self._lock:
            if self.config.whitening == "fits":
                for chunk in chunks:
                    self.whitening.update(chunk.to(self.device))

            with torch.no_grad():  # these do not change while the predictor learns
                whitened = torch.cat([self._whiten(chunk) for chunk in chunks])  # (B, C, H, W)
                # (B, features)
                embedded = torch.cat([self.target(chunk) for chunk in torch.split(whitened, CHUNK)])

            losses = [self._epoch(whitened, embedded) for _ in range(epochs)]
            self.fits += 1

        return losses

    def _epoch(self, whitened: Tensor, embedded: Tensor) -> float:
        order = torch.randperm(len(whitened), generator=self.generator)
        total = torch.zeros((), device=self.device)
        for places in torch.split(order.to(self.device), self.config.batch):
            loss = self._errors(whitened[places], embedded[places]).mean()
            self.guard.step(self.optimizer, loss, "the RND loss")
            total += loss.detach() * len(places)

        self.guard.check()

        return float(total) / len(whitened)

    def _checked(self, images: NDArray[np.uint8] | Tensor) -> NDArray[np.uint8] | Tensor:
        shape = (self.config.channels, self.config.height, self.config.width)
        if len(images) == 0 or tuple(images.shape[1:]) != shape:
            raise DataError(
                f"images have the shape {tuple(images.shape)}, expected at least one of {shape}"
            )

        return images

    # --- saving ---

    def _parts(self) -> dict[str, Part]:
        modules = {"target": self.target, "predictor": self.predictor, "whitening": self.whitening}
        return {**modules, "optimizer": self.optimizer}

    def state(self) -> State:
        """Return weights, statistics, optimiser and generator."""
        own = State(
            {"generator": self.generator.get_state()},
            {"fits": self.fits, "seen_until": self.seen_until},
        )

        return State.join({**checkpoint.states(self._parts()), "self": own})

    def restore(self, state: State) -> None:
        """Continue from a state.

        DataError if it belongs to another network; nothing is changed then.
        """
        (self.fits,) = checkpoint.restore(self._parts(), state, "RND", "fits")
        own = state.part("self")
        self.generator.set_state(own.tensors["generator"])
        # earlier versions did not save it; their fits updated the statistics
        self.seen_until = int(own.values.get("seen_until", -1))
