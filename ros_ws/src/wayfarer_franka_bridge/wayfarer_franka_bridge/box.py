"""The box in which the bridge accepts targets of the tool point. Pure."""

import numpy as np
from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import is_rotation
from wayfarer_core.targets import TAKEN, Refusal

from wayfarer_franka_bridge.drivers.driver import Vector
from wayfarer_franka_bridge.follower import TargetPose
from wayfarer_franka_bridge.geometry import from_tool, out_of_reach

_GRID = 9  # points along each edge that are checked
_ROUNDING = 1e-6  # m by which a target on the surface may lie outside


class Box:
    """Raises ConfigError if the arm cannot reach all of it.

    Args:
        low: its lowest corner, (3,) [m], base frame.
        high: its highest.
        orientation: of the hand, unit quaternion xyzw (4,).
        tool_offset: the tool point in the hand's frame, (3,) [m].
        reach: how far the wrist may be from the shoulder [m].

    """

    def __init__(
        self, low: Vector, high: Vector, orientation: Vector, tool_offset: Vector, reach: float
    ) -> None:
        self._low, self._high, self._offset, self._reach = low, high, tool_offset, reach
        if not (low < high).all():
            raise ConfigError(f"workspace from {low.tolist()} to {high.tolist()} m is not a box")
        if not is_rotation(orientation):
            raise ConfigError(
                f"orientation {orientation.tolist()} is no rotation: its length must be 1"
            )

        sides = (np.linspace(low[axis], high[axis], _GRID) for axis in range(3))
        for point in np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3):
            if why := self._out_of_reach(TargetPose(point, orientation)):
                raise ConfigError(
                    f"workspace from {low.tolist()} to {high.tolist()} m: the arm does not reach "
                    f"{np.round(point, 3).tolist()}: {why}; make the box smaller, control's as well"
                )

    def refusal(self, target: TargetPose) -> Refusal:
        """Say why a target lies outside the box or out of reach; false if it does not."""
        nearest = np.clip(target.position, self._low, self._high)
        if np.abs(nearest - target.position).max() > _ROUNDING:
            shown = np.round(target.position, 4).tolist()
            text = f"target {shown} m lies outside the box of this bridge"
            return Refusal(text, Reason.REFUSED | Reason.WORKSPACE)

        why = self._out_of_reach(target)

        return Refusal(f"target out of the arm's range: {why}") if why else TAKEN

    def _out_of_reach(self, target: TargetPose) -> str:
        hand = from_tool(target.position, target.quaternion, self._offset)
        return out_of_reach(hand, target.quaternion, self._reach)
