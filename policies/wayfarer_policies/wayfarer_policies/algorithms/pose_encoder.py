"""An encoder that sees the cube: it turns an image into numbers about poses.

BCQ's practical recipe acts on these numbers in place of features (docs/offline.md).
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from wayfarer_policies.algorithms.algorithm import Observation
from wayfarer_policies.algorithms.networks import Encoder, EncoderConfig, PositionScale

STATE_SIZE = 18  # numbers of a state: two positions, a rotation matrix, and a way
_NEAR = 0.1  # m; the way from cube to end effector is told in this unit ...
_FAR = 3.0  # ... and up to here


class PoseEncoder(PositionScale):
    """Convolutions, and a linear layer that tells the cube's pose from their features."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(replace(config, ee_position=False, goal_ee_position=False))
        self.head = nn.Linear(config.features, 3 + 9)

    def forward(self, observation: Observation) -> Tensor:
        """Return the states (B, STATE_SIZE) that are seen."""
        return self.states(observation.ee_positions, *self.poses(observation))

    def states(self, ee_positions: Tensor, positions: Tensor, rotations: Tensor) -> Tensor:
        """Return states (B, STATE_SIZE) of the end effector's and the cube's positions (B, 3) [m]
        and the cube's rotation matrices (B, 9).

        A state holds both positions, so that the box spans -1 to 1, the rotation, and the way
        from the cube to the end effector.
        """
        way = ((ee_positions - positions) / _NEAR).clamp(-_FAR, _FAR)
        scaled = self.encoder.scaled
        parts = (scaled(ee_positions), scaled(positions), rotations, way)

        return torch.cat(parts, dim=1)

    def poses(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the cube's positions (B, 3) [m], base frame, and rotation matrices (B, 9)."""
        position, rotation = self.head(self.encoder(observation)).split([3, 9], dim=1)

        return self.centre + self.spread * position, rotation

    def loss(self, observation: Observation, positions: Tensor, rotations: Tensor) -> Tensor:
        """Return the squared error of rotations (B, 9), and of positions (B, 3) [m] in units of
        their spread.
        """
        found, turned = self.poses(observation)
        error = mse_loss(found / self.spread, positions / self.spread)

        return error + mse_loss(turned, rotations)
