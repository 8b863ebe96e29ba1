"""Novelty of a run's images, under the RND of the run or one that is fitted here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_data.cache.layout import channels_first
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.networks import fast_precision
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.exploration.making import make_rnd
from wayfarer_policies.exploration.methods import novelty_file

from wayfarer_report.numbers.records import Frame, RunRecord

EPOCHS = 4
LEAST_SIDE = 36  # [pixels] least size for the convolutions


@dataclass(frozen=True)
class Scores:
    """The novelty of a run's kept frames, (F,), and which RND gave it.

    Empty if there was none.
    """

    values: NDArray[np.float32]
    judge: str

    def order(self) -> NDArray[np.int64]:
        """Return the indices of the frames, the most novel first."""
        return np.argsort(-self.values, kind="stable")


def score(run: RunRecord) -> Scores:
    """Score the kept frames. Raises DataError if the run's RND checkpoint is damaged."""
    if not run.frames:
        return Scores(np.zeros(0, np.float32), "there is no image to judge")

    images = _images(run.frames)
    file = novelty_file(run.path)
    if file.exists():
        rnd = make_rnd(0, "cpu")
        rnd.restore(checkpoint.read(file, "novelty"))
        if images.shape[1:] == (rnd.config.channels, rnd.config.height, rnd.config.width):
            return Scores(
                rnd.novelty(images), f"the run's own RND after its last fit ({rnd.fits} fits)"
            )

    height, width = images.shape[2:]
    if min(height, width) < LEAST_SIDE:
        return Scores(
            np.zeros(0, np.float32), f"images of {height}x{width} pixels are too small for RND"
        )

    rnd = RND(RNDConfig(3, height, width, seed=0, precision=fast_precision()))
    rnd.fit(images, EPOCHS)
    judge = (
        f"an RND fitted for this page to these {len(images)} images ({EPOCHS} epochs): the run "
        "kept none"
    )

    return Scores(rnd.novelty(images), judge)


def _images(frames: Sequence[Frame]) -> NDArray[np.uint8]:
    """Return frames as the networks take them, (F, C, H, W)."""
    return channels_first(np.stack([frame.pixels for frame in frames]))
