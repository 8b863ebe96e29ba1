"""robomimic's HDF5 format.

One demo per segment; images and positions are observations; `dones` marks the end of the task.
"""

import json
from pathlib import Path

import h5py
import numpy as np
from wayfarer_core.errors import ConfigError
from wayfarer_data.cache.buffer import Progress

from wayfarer_export.hdf5 import new_file
from wayfarer_export.segments import Material, Segment

# robosuite's names, which robomimic's configurations use
IMAGE, WRIST, POSITION = "agentview_image", "robot0_eye_in_hand_image", "robot0_eef_pos"
_FELT = {
    "ee_orientations": "robot0_eef_quat",  # xyzw, as in robosuite
    "joint_positions": "robot0_joint_pos",
    "joint_velocities": "robot0_joint_vel",
}
FINGERS = "robot0_gripper_qpos"  # each finger goes half of the width, the second one backwards
_HALVES = np.array([0.5, -0.5], np.float32)
_GYM = 2  # robomimic's EnvType.GYM_TYPE: a reader then makes no robosuite environment


def export_robomimic(
    material: Material, out: Path, progress: Progress = lambda _done, _all: None
) -> None:
    """Write the HDF5 file `out`.

    Raises ConfigError if it exists, DataError if the disk refuses.

    `dones` marks steps without a next value, so not time limits. Those are in `truncated`, which
    robomimic ignores.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already: choose a new file")

    with new_file(out) as writing:
        data = writing.file.create_group("data")
        data.attrs["total"] = len(material.rows)
        environment = {"env_name": "wayfarer", "type": _GYM, "env_kwargs": material.provenance()}
        data.attrs["env_args"] = json.dumps(environment)

        for k, segment in enumerate(material.segments()):
            _write(data.create_group(f"demo_{k}"), segment)
            writing.check()
            progress(k + 1, len(material))


def _write(demo: h5py.Group, segment: Segment) -> None:
    demo.attrs["num_samples"] = segment.steps
    demo.attrs["source"] = segment.source
    demo.attrs["label"], demo.attrs["note"] = segment.label, segment.note

    for name, part in (("obs", slice(None, -1)), ("next_obs", slice(1, None))):
        for called, of_all in ((IMAGE, segment.images), (WRIST, segment.wrist_images)):
            if of_all is not None:
                each = (1, *of_all.shape[1:])
                demo.create_dataset(
                    f"{name}/{called}", data=of_all[part], chunks=each, compression="lzf"
                )

        demo.create_dataset(f"{name}/{POSITION}", data=segment.ee_positions[part])

        for felt, called in _FELT.items():
            if (values := getattr(segment, felt)) is not None:
                demo.create_dataset(f"{name}/{called}", data=values[part])

        if segment.gripper_widths is not None:
            demo.create_dataset(f"{name}/{FINGERS}", data=segment.gripper_widths[part] * _HALVES)

        if np.isfinite(segment.object_poses).any():
            demo.create_dataset(f"{name}/object", data=segment.object_poses[part])

    demo.create_dataset("actions", data=segment.actions)

    # 0 the policy, 1 a person; robomimic ignores it
    demo.create_dataset("source", data=segment.sources)
    demo.create_dataset("rewards", data=segment.rewards)
    demo.create_dataset("dones", data=segment.terminated.astype(np.int64))
    demo.create_dataset("truncated", data=segment.truncated.astype(np.int64))
