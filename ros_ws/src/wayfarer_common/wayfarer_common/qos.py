"""Quality of service of each kind of topic."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

# One message per control period, each of which counts: the lock-step loop stands still when one is lost.
STEP = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=200,  # the recorder may be held up for seconds on a busy machine, and the lock-step loop does not wait for it
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)

# Fast state, of which the newest matters; reliable because the recorder keeps it.
STATE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)

# What a late joiner must still get: camera calibration, weights, the collector's status.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
