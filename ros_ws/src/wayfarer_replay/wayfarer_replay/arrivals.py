"""Which messages of the open episode have arrived. Pure."""

from dataclasses import dataclass, field

import numpy as np
from wayfarer_bags.latest_pose import latest_pose


@dataclass
class Arrivals:
    """Stamps in nanoseconds; steps are numbered from 0."""

    images: set[int] = field(default_factory=set)
    # step -> stamp of the observation it answers
    actions: dict[int, int] = field(default_factory=dict)
    executed: set[int] = field(default_factory=set)
    poses: set[int] = field(default_factory=set)  # of the end effector
    # stamps of the wrist camera's images; None: there is no such camera
    wrist: set[int] | None = None
    # topic of another state -> its newest stamp
    beside: dict[str, int] = field(default_factory=dict)

    def lost(self, steps: int, final_stamp: int) -> int:
        """Count the steps that lack the action, its executed record, or, before or after it, the
        image, the wrist's image or pose.
        """
        stamps = np.array(
            [*(self.actions.get(k, 0) for k in range(steps)), final_stamp], dtype=np.int64
        )

        # (steps + 1,)
        with_rates = [self.poses] if self.wrist is None else [self.poses, self.wrist]
        joined = np.all(
            [latest_pose(np.array(sorted(of), dtype=np.int64), stamps) >= 0 for of in with_rates],
            axis=0,
        )
        here = [
            stamp in self.images and has_all
            for stamp, has_all in zip(stamps.tolist(), joined, strict=True)
        ]

        return sum(k not in self.executed or not here[k] or not here[k + 1] for k in range(steps))

    def behind(self, final_stamp: int) -> bool:
        """Say whether another state that this episode has had is still older than its
        end.
        """
        return any(stamp < final_stamp for stamp in self.beside.values())

    def after_last_action(self) -> int:
        """Return the stamp of the first image after the last action; 0 if there is none."""
        last = max(self.actions.values(), default=0)
        return min((stamp for stamp in self.images if stamp > last), default=0)
