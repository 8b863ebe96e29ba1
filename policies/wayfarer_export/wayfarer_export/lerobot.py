"""Runs as a LeRobot dataset: one LeRobot episode per segment.

A LeRobot frame is an observation with the action that follows it. So the observation after a
segment's last action is left out; `next.done` marks the last step.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from wayfarer_bags.joints import ARM_JOINTS
from wayfarer_data.cache.buffer import Progress

from wayfarer_export.lerobot_files import Column, Feature, Picture, new_dataset
from wayfarer_export.segments import FELT, Material, Segment, even_rate

IMAGE, STATE, POSE = "observation.image", "observation.state", "object_pose"
WRIST = "observation.images.wrist"
LABEL = "label"  # people's label of the episode: 1 success, 0 failure, -1 unlabelled
SOURCE = "source"  # who chose the action: 0 the policy, 1 a person
_XYZ, _QUATERNION = ("x", "y", "z"), ("qx", "qy", "qz", "qw")
_FELT = {
    "ee_orientations": _QUATERNION,
    "joint_positions": tuple(f"joint{k}.position" for k in range(1, ARM_JOINTS + 1)),
    "joint_velocities": tuple(f"joint{k}.velocity" for k in range(1, ARM_JOINTS + 1)),
    "gripper_widths": ("gripper.width",),
}


def export_lerobot(
    material: Material, out: Path, progress: Progress = lambda _done, _all: None
) -> None:
    """Write the dataset folder `out`: LeRobotDataset(NAME, root=out) opens it.

    Raises ConfigError if it exists.

    DataError if the steps have no common rate. LeRobot's times are evenly spaced; the original
    stamps are in the bags.
    """
    rate = even_rate(material)
    task = f"do {material.task}" if material.task else "explore"
    notes: dict[int, str] = {}  # LeRobot's episode -> a person's note

    with new_dataset(out, _features(material), rate, task, robot="franka") as writer:
        for k, segment in enumerate(material.segments()):
            writer.begin(segment.source)
            writer.add(_columns(segment))
            if segment.note:
                notes[k] = segment.note
            progress(k + 1, len(material))

        writer.note = {**material.provenance(), "measured_rate_hz": material.rate, "notes": notes}


def _features(material: Material) -> dict[str, Feature]:
    state = (*_XYZ, *(name for part in material.felt for name in _FELT[part]))

    wrist = material.wrist_shape

    return {
        IMAGE: Feature("image", material.image_shape),
        **({} if wrist is None else {WRIST: Feature("image", wrist)}),
        STATE: Feature("float32", (len(state),), state),
        POSE: Feature("float32", (7,), (*_XYZ, *_QUATERNION)),
        "action": Feature("float32", (len(material.action_names),), material.action_names),
        SOURCE: Feature("int64", (1,)),
        LABEL: Feature("int64", (1,)),
        "next.reward": Feature("float32", (1,)),
        "next.done": Feature("bool", (1,)),
        "next.terminated": Feature("bool", (1,)),
    }


def _columns(segment: Segment) -> Mapping[str, Column]:
    state = segment.ee_positions, *(getattr(segment, name) for name in FELT)

    wrist = segment.wrist_images

    return {
        IMAGE: [Picture.of(image) for image in segment.images[:-1]],
        **({} if wrist is None else {WRIST: [Picture.of(image) for image in wrist[:-1]]}),
        STATE: np.concatenate([part[:-1] for part in state if part is not None], axis=1),
        POSE: segment.object_poses[:-1],
        "action": segment.actions,
        SOURCE: segment.sources.astype(np.int64)[:, None],
        LABEL: np.full((segment.steps, 1), segment.label),
        "next.reward": segment.rewards[:, None],
        "next.done": (segment.terminated | segment.truncated)[:, None],
        "next.terminated": segment.terminated[:, None],
    }
