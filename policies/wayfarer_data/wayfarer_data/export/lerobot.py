"""LeRobot's dataset format v3.0: parquet files with PNG images inside, one LeRobot episode per segment.

A LeRobot frame is an observation with the action that follows it, so the observation behind a segment's last action
has no place there: `next.done` marks that step.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from wayfarer_core.errors import DataError

from wayfarer_data.cache.buffer import Progress
from wayfarer_data.export.segments import Material, Segment, even_rate
from wayfarer_data.export.statistics import Moments
from wayfarer_data.upkeep.rewrite import new_directory

_FILE_MB, _FILES_PER_CHUNK = 100, 1000  # LeRobot's own defaults
_FILE = "chunk-{:03d}/file-{:03d}.parquet"
IMAGE, STATE, POSE = "observation.image", "observation.state", "object_pose"
_XYZ = ["x", "y", "z"]


def export_lerobot(material: Material, out: Path, progress: Progress = lambda _done, _all: None) -> None:
    """Write the dataset folder `out`: LeRobotDataset(NAME, root=out) opens it. Raises ConfigError where it exists.

    DataError where the steps have no common rate. LeRobot's times are even: what the stamps were is in the bags.
    """
    rate = even_rate(material)
    text = f"do {material.task}" if material.task else "explore"
    with new_directory(out):
        try:
            statistics = {name: Moments() for name in (STATE, POSE, "action", "next.reward")}
            statistics[IMAGE] = Moments(1, 1)
            episodes = list(_write_data(material, out, rate, statistics, progress))
            _write_meta(material, out, rate, text, episodes)
            found = {name: moments.as_json() for name, moments in statistics.items() if moments.count}
            (out / "meta" / "stats.json").write_text(json.dumps(found))
        except OSError as error:
            raise DataError(f"cannot write {out}: {error}") from error


def _write_data(
    material: Material, out: Path, rate: float, statistics: dict[str, Moments], progress: Progress
) -> Iterator[dict[str, Any]]:
    """Write the frames; yield a line about each episode."""
    writer: pq.ParquetWriter | None = None
    file = size = index = 0
    for k, segment in enumerate(material.segments()):
        table = _table(segment, k, index, rate)
        if writer is not None and size + table.nbytes > _FILE_MB << 20:
            writer.close()
            writer, file, size = None, file + 1, 0
        chunk, place = divmod(file, _FILES_PER_CHUNK)
        if writer is None:
            path = out / "data" / _FILE.format(chunk, place)
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table)
        size += table.nbytes
        _count(segment, statistics)
        yield {
            "episode_index": k,
            "length": segment.steps,
            "source": segment.source,
            "data/chunk_index": chunk,
            "data/file_index": place,
            "dataset_from_index": index,
            "dataset_to_index": index + segment.steps,
        }
        index += segment.steps
        progress(k + 1, len(material))
    if writer is not None:
        writer.close()


def _table(segment: Segment, episode: int, index: int, rate: float) -> pa.Table:
    steps = segment.steps
    images = [{"bytes": _png(image), "path": f"frame-{k:06d}.png"} for k, image in enumerate(segment.images[:-1])]
    return pa.table(
        {
            IMAGE: pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            STATE: _vectors(segment.ee_positions[:-1]),
            POSE: _vectors(segment.object_poses[:-1]),
            "action": _vectors(segment.actions),
            "next.reward": pa.array(segment.rewards, pa.float32()),
            "next.done": pa.array(segment.terminated | segment.truncated),
            "next.terminated": pa.array(segment.terminated),
            "timestamp": pa.array(np.arange(steps, dtype=np.float32) / np.float32(rate)),
            "frame_index": pa.array(np.arange(steps)),
            "episode_index": pa.array(np.full(steps, episode)),
            "index": pa.array(np.arange(index, index + steps)),
            "task_index": pa.array(np.zeros(steps, np.int64)),
        }
    )


def _write_meta(material: Material, out: Path, rate: float, text: str, episodes: list[dict[str, Any]]) -> None:
    meta = out / "meta"
    lines = [{**e, "tasks": [text], "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0} for e in episodes]
    (meta / "episodes" / "chunk-000").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(lines), meta / "episodes" / _FILE.format(0, 0))
    pq.write_table(_tasks(text), meta / "tasks.parquet")
    info = {
        "codebase_version": "v3.0",
        "robot_type": "franka",
        "total_episodes": len(episodes),
        "total_frames": len(material.rows),
        "total_tasks": 1,
        "chunks_size": _FILES_PER_CHUNK,
        "data_files_size_in_mb": _FILE_MB,
        "video_files_size_in_mb": 200,
        "fps": int(rate) if rate.is_integer() else rate,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": _features(material.image_shape),
        "wayfarer": material.provenance(),
    }
    (meta / "info.json").write_text(json.dumps(info, indent=2))


def _features(image_shape: tuple[int, int, int]) -> dict[str, Any]:
    def feature(kind: str, shape: tuple[int, ...], names: list[str] | None = None) -> dict[str, Any]:
        return {"dtype": kind, "shape": list(shape), "names": names}

    return {
        IMAGE: feature("image", image_shape, ["height", "width", "channels"]),
        STATE: feature("float32", (3,), _XYZ),
        POSE: feature("float32", (7,), [*_XYZ, "qx", "qy", "qz", "qw"]),
        "action": feature("float32", (3,), _XYZ),
        "next.reward": feature("float32", (1,)),
        "next.done": feature("bool", (1,)),
        "next.terminated": feature("bool", (1,)),
        "timestamp": feature("float32", (1,)),
        **{name: feature("int64", (1,)) for name in ("frame_index", "episode_index", "index", "task_index")},
    }


def _tasks(text: str) -> pa.Table:
    """Return the table pandas would write of the tasks, whose texts are the rows' names."""
    table = pa.table({"task_index": pa.array([0]), "__index_level_0__": pa.array([text])})
    index: dict[str, Any] = {"name": None, "field_name": "__index_level_0__", "metadata": None}
    number: dict[str, Any] = {"name": "task_index", "field_name": "task_index", "metadata": None}
    described = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [],
        "columns": [
            {**number, "pandas_type": "int64", "numpy_type": "int64"},
            {**index, "pandas_type": "unicode", "numpy_type": "object"},
        ],
    }
    return table.replace_schema_metadata({"pandas": json.dumps(described)})


def _count(segment: Segment, statistics: dict[str, Moments]) -> None:
    statistics[IMAGE].add(segment.images[:-1].reshape(-1, segment.images.shape[-1]) / np.float32(255))
    statistics[STATE].add(segment.ee_positions[:-1])
    statistics[POSE].add(segment.object_poses[np.isfinite(segment.object_poses).all(axis=1)])
    statistics["action"].add(segment.actions)
    statistics["next.reward"].add(segment.rewards[:, None])


def _vectors(values: NDArray[np.float32]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _png(image: NDArray[np.uint8]) -> bytes:
    """Encode an image (H, W, 3) without loss."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return encoded.tobytes()
