"""Minari's HDF5 storage: one episode per segment, with all T + 1 observations."""

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from wayfarer_bags.joints import ARM_JOINTS
from wayfarer_core.atomic import make_folder, write_atomically
from wayfarer_data.cache.buffer import Progress
from wayfarer_data.upkeep.rewrite import new_directory

from wayfarer_export.hdf5 import new_file
from wayfarer_export.segments import Material, Segment

_MINARI = "0.5.4"  # the release whose layout this is
_FELT = {
    "ee_orientations": "ee_orientation",
    "joint_positions": "joint_positions",
    "joint_velocities": "joint_velocities",
    "gripper_widths": "gripper_width",
}
_ID = re.compile(r"[-\w]+-v\d+")


def export_minari(
    material: Material, out: Path, progress: Progress = lambda _done, _all: None
) -> None:
    """Write the dataset folder `out`: minari.MinariDataset(out / "data") opens it.

    In MINARI_DATASETS_PATH, and with a name such as cube-v0, minari.load_dataset("cube-v0") finds
    it, too. Raises ConfigError if it exists, DataError if the disk refuses.
    """
    with new_directory(out):
        folder = make_folder(out / "data")
        with new_file(folder / "main_data.hdf5") as writing:
            for k, segment in enumerate(material.segments()):
                _write(writing.file.create_group(f"episode_{k}"), k, segment)
                writing.check()
                progress(k + 1, len(material))

        write_atomically(folder / "metadata.json", json.dumps(_metadata(material, out)))


def _write(episode: h5py.Group, number: int, segment: Segment) -> None:
    episode.attrs["id"] = number
    episode.attrs["total_steps"] = segment.steps
    episode.attrs["source"] = segment.source
    episode.attrs["label"], episode.attrs["note"] = segment.label, segment.note
    for called, images in (("image", segment.images), ("wrist_image", segment.wrist_images)):
        if images is not None:
            each = (1, *images.shape[1:])
            episode.create_dataset(
                f"observations/{called}", data=images, chunks=each, compression="lzf"
            )

    episode.create_dataset("observations/ee_position", data=segment.ee_positions)

    for felt, called in _FELT.items():
        if (values := getattr(segment, felt)) is not None:
            episode.create_dataset(f"observations/{called}", data=values)

    episode.create_dataset("infos/object_pose", data=segment.object_poses)  # truth: no observation

    # who chose the action: 0 the policy, 1 a person
    episode.create_dataset("infos/source", data=segment.sources)
    episode.create_dataset("actions", data=segment.actions)
    episode.create_dataset("rewards", data=segment.rewards)
    episode.create_dataset("terminations", data=segment.terminated)
    episode.create_dataset("truncations", data=segment.truncated)


def _metadata(material: Material, out: Path) -> dict[str, Any]:
    widths = {
        "ee_orientations": 4,
        "joint_positions": ARM_JOINTS,
        "joint_velocities": ARM_JOINTS,
        "gripper_widths": 1,
    }
    actions = len(material.action_names)
    numbers = {"ee_position": 3, **{_FELT[felt]: widths[felt] for felt in material.felt}}
    images = {"image": material.image_shape, "wrist_image": material.wrist_shape}
    spaces = {
        **{
            name: _box(np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8))
            for name, shape in images.items()
            if shape is not None
        },
        **{
            name: _box(*(np.full(n, bound, np.float32) for bound in (-np.inf, np.inf)))
            for name, n in numbers.items()
        },
    }

    return {
        "dataset_id": out.name
        if _ID.fullmatch(out.name)
        else re.sub(r"[^-\w]", "-", out.name) + "-v0",
        "minari_version": _MINARI,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "total_episodes": len(material),
        "total_steps": len(material.rows),
        "observation_space": json.dumps({"type": "Dict", "subspaces": spaces}),
        "action_space": json.dumps(
            _box(*(np.full(actions, bound, np.float32) for bound in (-1, 1)))
        ),
        "algorithm_name": material.task or "exploration",
        "description": json.dumps(material.provenance()),
    }


def _box(low: Any, high: Any) -> dict[str, Any]:
    shape = list(low.shape)

    return {
        "type": "Box",
        "dtype": str(low.dtype),
        "shape": shape,
        "low": low.tolist(),
        "high": high.tolist(),
    }
