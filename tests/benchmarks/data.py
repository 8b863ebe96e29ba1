"""How fast bags are written, read and learned from, and what recording costs.

    .venv/bin/python tests/benchmarks/data.py [--frames 100000] [--seconds 30] [--mapped 1000]
    [--run RUN ...] [--json]

Batches are 128 random transitions, page cache warm, one thread. Ours have a future goal for each.
`memmap_ratio` is their time over that of a bare gather which delivers what a learner is given: (s,
g) and (s', g), 512 images indexed out of the memory map. `memmap_unpaired_ratio` is their time over
that of indexing s, s' and g once each: 384 images that somebody would still have to put together.
LeRobot's are of the same frames, exported, read by its own DataLoader with the next image and
without a goal (make .venv/.loaders).

All rates but the recorder's are per second of the process's own CPU time: what else the machine
does is not in them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mcap.reader import make_reader
from numpy.typing import NDArray
from wayfarer_bags.bag import Channel, EpisodeWriter, messages
from wayfarer_bags.episode import End
from wayfarer_bags.message_types import base_types
from wayfarer_bags.run_directory import RunDirectory, RunWriter
from wayfarer_core import names
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.cache.frames import FrameCache, Trajectory
from wayfarer_export.lerobot import export_lerobot
from wayfarer_export.segments import Material
from wayfarer_policies.exploration.relabel import FutureGoals

sys.path.insert(0, str(Path(__file__).parents[1]))
from fixtures import episodes as fixture
from fixtures.episodes import write_episode

SIZE, BATCH, EPISODES, STEPS = 84, 128, 8, 250
ROUNDS = 300  # batches to a measurement
VENV = Path(sys.prefix)
Figures = dict[str, float]


def scene(number: int, step: int, size: int = SIZE) -> NDArray[np.uint8]:
    """A still background with an arm and a cube that move, as the camera of a simulator sees them.

    (size, size, 3).
    """
    y, x = np.mgrid[0:size, 0:size]
    image = np.stack([90 + x // 2, 80 + y // 2, 70 + (x + y) // 4], axis=-1).astype(np.uint8)
    rng = np.random.default_rng([number, step])
    for colour, edge in (((230, 230, 230), 22), ((220, 190, 20), 7), ((30, 30, 30), 4)):
        top, left = rng.integers(0, size - edge, 2)
        image[top : top + edge, left : left + edge] = np.array(colour) - (x[:edge, :edge, None] % 5)

    return image


def record(folder: Path) -> tuple[Path, Figures]:
    """Write a run of some episodes with the recorder's own writer."""
    fixture.expected_image = scene  # type: ignore[assignment]
    run = RunWriter(folder / "run")
    run.describe({"format": 1})
    files = [write_episode(run.path, number, STEPS, size=SIZE) for number in range(EPISODES)]
    run.add_all(files)
    run.release()
    size = sum(file.stat().st_size for file in files)

    return run.path, {"synthetic_kb_per_step": size / len(files) / STEPS / 1e3}


def repeated(run: Path, folder: Path, frames: int) -> tuple[Dataset, Path]:
    """Return a dataset of so many frames, the run's own, drawn anew for every episode, and the file
    they lie in.
    """
    few, rng = Dataset.open([run]), np.random.default_rng(1)
    cache = FrameCache(folder / "repeated")
    for number in range(frames // (STEPS + 1)):
        rows = np.concatenate([few.transitions[rng.integers(len(few), size=STEPS)], few.lasts[:1]])
        known = np.ones(STEPS + 1, bool)
        positions, actions = few.ee_positions(rows).numpy(), few.actions(rows[:-1]).numpy()
        images = few.frames(rows).numpy()
        stamps = np.array([fixture.stamp_of(step) for step in range(STEPS + 1)])
        one = Trajectory(
            number, images, actions, positions, known[:-1], known, End.TRUNCATED, stamps=stamps
        )
        cache.append(one)

    return Dataset([run], [cache]), cache.file("frames")


def writing(run: Path, folder: Path) -> Figures:
    """Write the messages of one episode again and again, serialised as they come from the wire."""
    types = base_types()
    file = next(iter(RunDirectory(run).episodes().values()))
    recorded = list(messages(file, types))
    kinds = {message.topic: message.type for message in recorded}
    channels = [Channel(topic, kind, "") for topic, kind in kinds.items()]
    spent = []

    for k in range(8):
        began = time.process_time()
        writer = EpisodeWriter(folder / f"written_{k}.mcap", channels, types)
        for message in recorded:
            writer.write(message.topic, message.cdr, message.log_time, message.publish_time)

        writer.close()
        spent.append(time.process_time() - began)

    return {"write_msgs_per_s": len(recorded) / float(np.median(spent))}


def reading(run: Path) -> Figures:
    """Read bags from one end to the other, and one image here and there."""
    files = list(RunDirectory(run).episodes().values())[:40]
    began, count = time.process_time(), 0
    for file in files:
        count += sum(1 for _ in messages(file, base_types()))

    rate = count / (time.process_time() - began)
    rng, spent = np.random.default_rng(0), []
    for file in files:
        with file.open("rb") as stream:
            reader = make_reader(stream)
            reader.get_summary()
            topic = f"{fixture.NAMESPACE}/{names.OBSERVATION_IMAGE}"

            for _ in range(5):
                stamp = fixture.stamp_of(int(rng.integers(STEPS)))
                before = time.process_time()
                found = list(
                    reader.iter_messages([topic], starting_at=stamp, ending_before=stamp + 1)
                )
                spent.append(time.process_time() - before)
                assert len(found) == 1

    return {"read_msgs_per_s": rate, "random_image_ms": 1e3 * float(np.median(spent))}


def loading(data: Dataset, mapped: Path) -> Figures:
    """Draw training batches, and gather the same images from the bare memory map, in turns."""
    torch.set_num_threads(1)
    goals, rng = FutureGoals(), np.random.default_rng(0)
    bare = np.memmap(mapped, np.uint8, "r", shape=(data.rows, 3, SIZE, SIZE))

    for start in range(0, data.rows, 1024):  # every page into the cache, and into both maps
        rows = np.arange(start, min(start + 1024, data.rows))
        assert (bare[rows] == data.frames(rows).numpy()).all()

    def ours() -> None:
        goals.label(data.sample(BATCH, rng), data, rng)

    def draw() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = data.transitions[rng.integers(len(data), size=BATCH)]
        return rows, data.index.future(rows, rng)

    def paired() -> None:
        rows, future = draw()
        _ = bare[np.stack([rows, future], axis=1)], bare[np.stack([rows + 1, future], axis=1)]

    def unpaired() -> None:
        rows, future = draw()
        _ = bare[rows], bare[rows + 1], bare[future]

    batch, same, apart = _in_turns(ours, paired, unpaired)

    return {
        "batches_per_s": 1 / batch,
        "batch_ms": 1e3 * batch,
        "memmap_ratio": batch / same,
        "memmap_unpaired_ratio": batch / apart,
    }


def _in_turns(*work: Callable[[], None]) -> list[float]:
    """Return the median time of each [s], called one after the other so that a busy machine slows
    all alike.
    """
    spent: list[list[float]] = [[] for _ in work]
    for _ in range(ROUNDS):
        for one, times in zip(work, spent, strict=True):
            before = time.process_time()
            one()
            times.append(time.process_time() - before)

    return [float(np.median(times)) for times in spent]


def lerobot(data: Dataset, folder: Path) -> Figures:
    """Export the same frames and let LeRobot's own dataset load batches of them."""
    export_lerobot(Material.of(data, data.transitions), folder / "lerobot")
    script = Path(__file__).with_name("data_lerobot.py")
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    words = [VENV / "loaders" / "bin" / "python", script, folder / "lerobot", str(BATCH)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)

    return {"lerobot_batches_per_s": float(done.stdout.split()[-1])}


def stored(runs: list[Path]) -> Figures:
    """Say what a step of real recordings takes on disk."""
    size = steps = 0
    for run in runs:
        for file in RunDirectory(run).episodes().values():
            size += file.stat().st_size
        data = Dataset.open([run])
        steps += int((data.lasts - data.starts).sum())

    return {"bytes_per_step": size / steps, "gb_per_300k_steps": size / steps * 300_000 / 1e9}


def main() -> None:
    """Measure, print a table, and with --json one line for other programs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100_000, help="frames to load batches from")
    parser.add_argument(
        "--seconds",
        type=float,
        default=30.0,
        help="how long the recorder is fed at each rate; 0: not",
    )
    parser.add_argument(
        "--mapped", type=float, default=1000.0, help="megabytes of a bag that is mapped; 0: not"
    )
    parser.add_argument(
        "--run",
        type=Path,
        nargs="*",
        default=[],
        help="recorded runs whose bytes per step to measure",
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()

    if arguments.frames < 20 * BATCH:
        parser.error(f"--frames {arguments.frames}: at least {20 * BATCH} are needed")

    figures: Figures = {"load_average": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run, written = record(folder)
        figures.update({**written, **writing(run, folder), **reading(run)})
        began = time.perf_counter()
        Dataset.open([run])
        opened = time.perf_counter()
        Dataset.open([run])
        figures.update({"first_open_s": opened - began, "open_s": time.perf_counter() - opened})
        data, mapped = repeated(run, folder, arguments.frames)
        figures.update({"frames": data.rows, **loading(data, mapped)})
        figures.update(lerobot(data, folder))

    figures["loader_ratio"] = figures["batches_per_s"] / figures["lerobot_batches_per_s"]
    if arguments.run:
        figures.update(stored(arguments.run))

    if arguments.seconds:
        import data_recorder

        figures.update(data_recorder.measure(arguments.seconds))

    if arguments.mapped:
        import data_mapping

        figures.update(data_mapping.measure(arguments.mapped))

    for key, value in figures.items():
        print(f"{key:32} {value:12.3f}")

    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
