"""What of the open episode has arrived so far. Pure."""

from dataclasses import dataclass, field


@dataclass
class Arrivals:
    """Stamps in nanoseconds; steps are numbered from 0."""

    images: set[int] = field(default_factory=set)
    actions: dict[int, int] = field(default_factory=dict)  # step -> stamp of the observation it answers
    executed: set[int] = field(default_factory=set)

    def lost(self, steps: int, final_stamp: int) -> int:
        """Count the steps of which the image, the action, its executed record or the next image is missing."""
        stamps = [self.actions.get(k) for k in range(steps)] + [final_stamp]
        return sum(
            k not in self.executed or stamps[k] not in self.images or stamps[k + 1] not in self.images
            for k in range(steps)
        )

    def after_last_action(self) -> int:
        """Return the stamp of the first image after the last action; 0 where there is none."""
        last = max(self.actions.values(), default=0)
        return min((stamp for stamp in self.images if stamp > last), default=0)
