"""Runs as a LeRobot dataset: one LeRobot episode per segment.

A LeRobot frame is an observation with the action that follows it, so the observation behind a segment's last action
has no place there: `next.done` marks that step.
"""

from collections.abc import Mapping
from pathlib import Path

from wayfarer_data.cache.buffer import Progress

from wayfarer_export.lerobot_files import Column, Feature, Picture, new_dataset
from wayfarer_export.segments import Material, Segment, even_rate

IMAGE, STATE, POSE = "observation.image", "observation.state", "object_pose"
_XYZ = ("x", "y", "z")


def export_lerobot(
    material: Material, out: Path, progress: Progress = lambda _done, _all: None
) -> None:
    """Write the dataset folder `out`: LeRobotDataset(NAME, root=out) opens it. Raises ConfigError where it exists.

    DataError where the steps have no common rate. LeRobot's times are even: what the stamps were is in the bags.
    """
    rate = even_rate(material)
    task = f"do {material.task}" if material.task else "explore"
    with new_dataset(out, _features(material), rate, task, robot="franka") as writer:
        for k, segment in enumerate(material.segments()):
            writer.begin(segment.source)
            writer.add(_columns(segment))
            progress(k + 1, len(material))
        writer.note = {**material.provenance(), "measured_rate_hz": material.rate}


def _features(material: Material) -> dict[str, Feature]:
    return {
        IMAGE: Feature("image", material.image_shape),
        STATE: Feature("float32", (3,), _XYZ),
        POSE: Feature("float32", (7,), (*_XYZ, "qx", "qy", "qz", "qw")),
        "action": Feature("float32", (3,), _XYZ),
        "next.reward": Feature("float32", (1,)),
        "next.done": Feature("bool", (1,)),
        "next.terminated": Feature("bool", (1,)),
    }


def _columns(segment: Segment) -> Mapping[str, Column]:
    return {
        IMAGE: [Picture.of(image) for image in segment.images[:-1]],
        STATE: segment.ee_positions[:-1],
        POSE: segment.object_poses[:-1],
        "action": segment.actions,
        "next.reward": segment.rewards[:, None],
        "next.done": (segment.terminated | segment.truncated)[:, None],
        "next.terminated": segment.terminated[:, None],
    }
