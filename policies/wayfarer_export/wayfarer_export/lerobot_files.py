"""A writer for LeRobot's format v3.0, part by part: parquet files with the images inside.

An exporter gives features and rate; only this module knows the files.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from wayfarer_core.errors import DataError
from wayfarer_data.upkeep.rewrite import new_directory

from wayfarer_export.statistics import Moments, Shades

_FILE_MB, _FILES_PER_CHUNK = 100, 1000  # LeRobot's own defaults
_FILE = "chunk-{:03d}/file-{:03d}.parquet"
_COUNTERS = ("frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True)
class Feature:
    """A named column of each frame."""

    kind: str  # "image", "float32" or "bool"
    shape: tuple[int, ...]  # (H, W, 3) of an image, (C,) of numbers
    names: tuple[str, ...] | None = None  # of the C numbers

    def as_json(self) -> dict[str, Any]:
        """Return its entry in info.json."""
        names = (
            ["height", "width", "channels"]
            if self.kind == "image"
            else self.names and list(self.names)
        )

        return {"dtype": self.kind, "shape": list(self.shape), "names": names}


@dataclass(frozen=True)
class Picture:
    """An encoded image: a whole PNG or JPEG file, and a histogram of its shades.

    `shades` is None if it was not decoded; the statistics then leave it out.
    """

    content: bytes
    suffix: str  # "png" or "jpg"
    shape: tuple[int, ...]  # (H, W, 3)
    shades: NDArray[np.int64] | None  # (3, 256)

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> Self:
        """Encode an image (H, W, 3) RGB without loss."""
        _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return cls(encoded.tobytes(), "png", image.shape, shades_of(image))


def shades_of(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the histogram (3, 256) of an image (H, W, 3)."""
    counts = [
        cv2.calcHist([image], [channel], None, [256], [0, 256]).reshape(-1) for channel in range(3)
    ]
    return np.array(counts).astype(np.int64)


Column = Sequence[Picture] | NDArray[Any]  # images, or (N, C) numbers


@contextlib.contextmanager
def new_dataset(
    out: Path, features: Mapping[str, Feature], rate: Fraction, task: str, robot: str
) -> Iterator["LeRobotWriter"]:
    """Give a writer of the dataset folder `out`, which is complete in the end or does not exist.

    `rate` is that of the frames [Hz], `task` the text for LeRobot's policies. Raises
    ConfigError if `out` exists, DataError if the disk refuses.
    """
    with new_directory(out):
        try:
            writer = LeRobotWriter(out, features, rate, task)
            try:
                yield writer
            finally:
                writer.close()

            writer.describe(robot)
        except OSError as error:
            raise DataError(f"cannot write {out}: {error}") from error


class LeRobotWriter:
    """Writes episodes one after the other, each in parts of any length.

    It keeps no more than one part in memory.
    """

    def __init__(
        self, out: Path, features: Mapping[str, Feature], rate: Fraction, task: str
    ) -> None:
        self.note: dict[str, Any] = {}  # what info.json shall say about the source
        self.episodes: list[dict[str, Any]] = []
        self.frames = 0
        self._out, self._features, self._rate, self._task = out, dict(features), rate, task
        counted = {name: f for name, f in features.items() if f.kind != "bool"}
        self._statistics = {
            name: Shades() if f.kind == "image" else Moments() for name, f in counted.items()
        }
        self._file: pq.ParquetWriter | None = None
        self._number = self._size = 0  # of the file

    def begin(self, source: str) -> None:
        """Begin an episode, which comes from `source`."""
        if self._file is not None and self._size > _FILE_MB << 20:
            self.close()
            self._number, self._size = self._number + 1, 0

        chunk, place = divmod(self._number, _FILES_PER_CHUNK)
        self.episodes.append(
            {
                "episode_index": len(self.episodes),
                "length": 0,
                "source": source,
                "data/chunk_index": chunk,
                "data/file_index": place,
                "dataset_from_index": self.frames,
                "dataset_to_index": self.frames,
                "tasks": [self._task],
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )

    def add(self, columns: Mapping[str, Column]) -> None:
        """Append frames to the episode: a column for each feature, all of one length."""
        episode = self.episodes[-1]
        table = self._table(columns, episode)
        if self._file is None:
            path = (
                self._out
                / "data"
                / _FILE.format(episode["data/chunk_index"], episode["data/file_index"])
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = pq.ParquetWriter(path, table.schema, compression="snappy")

        self._file.write_table(table)
        self._size += table.nbytes
        for name, statistics in self._statistics.items():
            statistics.add(columns[name])

        self.frames += len(table)
        episode["length"] += len(table)
        episode["dataset_to_index"] = self.frames

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def describe(self, robot: str) -> None:
        """Write LeRobot's metadata: features, rate, episodes, tasks, statistics."""
        meta = self._out / "meta"
        (meta / "episodes" / "chunk-000").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self.episodes), meta / "episodes" / _FILE.format(0, 0))
        pq.write_table(_tasks(self._task), meta / "tasks.parquet")
        (meta / "info.json").write_text(json.dumps(self._info(robot), indent=2))
        found = {
            name: statistics.as_json()
            for name, statistics in self._statistics.items()
            if statistics.count
        }
        (meta / "stats.json").write_text(json.dumps(found))

    def _info(self, robot: str) -> dict[str, Any]:
        counters = {name: Feature("int64", (1,)) for name in _COUNTERS}
        features = {**self._features, "timestamp": Feature("float32", (1,)), **counters}

        return {
            "codebase_version": "v3.0",
            "robot_type": robot,
            "total_episodes": len(self.episodes),
            "total_frames": self.frames,
            "total_tasks": 1,
            "chunks_size": _FILES_PER_CHUNK,
            "data_files_size_in_mb": _FILE_MB,
            "video_files_size_in_mb": 200,
            "fps": int(self._rate) if self._rate.denominator == 1 else float(self._rate),
            "splits": {"train": f"0:{len(self.episodes)}"},
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": None,
            "features": {name: feature.as_json() for name, feature in features.items()},
            "wayfarer": {**self.note, "rate": str(self._rate)},
        }

    def _table(self, columns: Mapping[str, Column], episode: Mapping[str, Any]) -> pa.Table:
        first, length = episode["length"], len(next(iter(columns.values())))
        steps = np.arange(first, first + length)

        # computed exactly; stored as float32 because LeRobot's own are
        times = steps * self._rate.denominator / self._rate.numerator

        return pa.table(
            {
                **{
                    name: _array(feature, columns[name], first)
                    for name, feature in self._features.items()
                },
                "timestamp": pa.array(times.astype(np.float32)),
                "frame_index": pa.array(steps),
                "episode_index": pa.array(np.full(length, episode["episode_index"])),
                "index": pa.array(steps + episode["dataset_from_index"]),
                "task_index": pa.array(np.zeros(length, np.int64)),
            }
        )


def _array(feature: Feature, column: Column, first: int) -> pa.Array:
    if feature.kind == "image":
        images = [
            {"bytes": p.content, "path": f"frame-{first + k:06d}.{p.suffix}"}
            for k, p in enumerate(column)
        ]

        return pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))

    kind = pa.bool_() if feature.kind == "bool" else pa.float32()
    flat = pa.array(np.ascontiguousarray(column).reshape(-1), kind)
    one = feature.shape == (1,)  # LeRobot stores a number, not a list of one

    return flat if one else pa.FixedSizeListArray.from_arrays(flat, feature.shape[0])


def _tasks(text: str) -> pa.Table:
    """Return the table of tasks as pandas would write it: the texts are the rows' names."""
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
