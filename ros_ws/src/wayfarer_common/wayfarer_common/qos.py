"""Quality of service of each kind of topic, for rclpy."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from wayfarer_core import topics


def profile(quality: topics.Quality) -> QoSProfile:
    """Return a quality of the contract as a profile of rclpy."""
    latched = quality.latched

    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=quality.depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


STEP, STATE, LATCHED, STANDING = (
    profile(of) for of in (topics.STEP, topics.STATE, topics.LATCHED, topics.STANDING)
)
