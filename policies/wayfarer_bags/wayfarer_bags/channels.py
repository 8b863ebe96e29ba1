"""The description of a contract topic in a bag, as rosbag2 and Foxglove expect it."""

import yaml
from wayfarer_core.topics import Quality, Topic

from wayfarer_bags.files.recorded import Channel

_FOREVER = {"sec": 9223372036, "nsec": 854775807}


def channel_of(topic: Topic, resolved_name: str) -> Channel:
    """Return the bag channel of a topic recorded under its resolved name."""
    return Channel(
        resolved_name, topic.type, yaml.safe_dump([_profile(topic.quality)], sort_keys=False)
    )


def _profile(quality: Quality) -> dict[str, object]:
    return {
        "history": "keep_last",
        "depth": quality.depth,
        "reliability": "reliable",
        "durability": "transient_local" if quality.latched else "volatile",
        "deadline": dict(_FOREVER),
        "lifespan": dict(_FOREVER),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
