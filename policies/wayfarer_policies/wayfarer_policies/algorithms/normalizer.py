"""Running mean and variance, kept as buffers and so saved with the weights."""

import torch
from torch import Tensor, nn


class RunningMoments(nn.Module):
    """Mean and population variance of all values seen so far, per element of `shape` (Chan et al.
    1979, eq. 1.5).
    """

    mean: Tensor
    spread: Tensor  # sum of squared deviations from the mean
    count: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("spread", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def update(self, values: Tensor) -> None:
        """Add a batch (B, *shape)."""
        batch = values.to(torch.float64)  # (B, *shape)
        mean = batch.mean(dim=0)
        spread = (batch - mean).square_().sum(dim=0)
        difference, total = mean - self.mean, self.count + len(batch)
        self.spread += spread + difference.square() * self.count * len(batch) / total
        self.mean += difference * len(batch) / total
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """Standard deviation; ones before the first batch."""
        return (self.spread / self.count).sqrt() if self.count > 0 else torch.ones_like(self.spread)


class Whitening(nn.Module):
    """(x - mean) / std per element, clipped.

    RND's observation normalisation (Burda et al. 2018, section 2.4).
    """

    def __init__(self, shape: tuple[int, ...], clip: float = 5.0, floor: float = 1.0) -> None:
        """`floor` is the least std, in the unit of the values.

        One grey level keeps pixels that never change finite.
        """
        super().__init__()
        self.moments = RunningMoments(shape)
        self.clip, self.floor = clip, floor

    def update(self, values: Tensor) -> None:
        """Add a batch (B, *shape)."""
        self.moments.update(values)

    def forward(self, values: Tensor) -> Tensor:
        """Whiten a batch (B, *shape) -> float32 (B, *shape) within +-clip."""
        if self.moments.count == 0:  # no batch yet: map grey levels 0 .. 255 to -1 .. 1
            return values.float().div_(127.5).sub_(1.0)
        std = self.moments.std.clamp(min=self.floor)
        scale, shift = std.reciprocal().float(), (-self.moments.mean / std).float()

        return torch.addcmul(shift, values.float(), scale).clamp_(-self.clip, self.clip)
