"""How a contract topic is described in a bag, in the words rosbag2 and Foxglove read."""

import yaml
from rclpy.qos import QoSProfile
from wayfarer_bags.files.recorded import Channel
from wayfarer_common.contract import Topic

_FOREVER = {"sec": 9223372036, "nsec": 854775807}


def channel_of(topic: Topic, resolved_name: str) -> Channel:
    """Return the bag channel of a topic recorded under its resolved name."""
    package = topic.type.__module__.split(".")[0]
    return Channel(
        resolved_name, f"{package}/msg/{topic.type.__name__}", yaml.safe_dump([_profile(topic.qos)], sort_keys=False)
    )


def _profile(qos: QoSProfile) -> dict[str, object]:
    return {
        "history": qos.history.name.lower(),
        "depth": qos.depth,
        "reliability": qos.reliability.name.lower(),
        "durability": qos.durability.name.lower(),
        "deadline": dict(_FOREVER),
        "lifespan": dict(_FOREVER),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
