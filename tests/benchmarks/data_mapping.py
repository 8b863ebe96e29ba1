"""How fast bags of any topics become a LeRobot dataset, beside a plain reading of the same bag, and
in what memory.

    .venv/bin/python tests/benchmarks/data_mapping.py [--megabytes 1000]

Two cameras of 640x480 rgb8 at 30 Hz, with the noise of a real one; joints at 500 Hz, a pose at 100
Hz; MCAP without compression. A second bag of the same size has JPEGs of such images. Rates are bytes of messages
per second of the CPU time of a process that does this and nothing else.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

sys.path.insert(0, str(Path(__file__).parents[1]))
from fixtures import any_bags as bags
from fixtures.any_bags import SECOND, START

Figures = dict[str, float]
NAMES = [f"joint_{k}" for k in range(7)]
MAP = """\
format: wayfarer map 1
rate: {rate}
features:
  observation.images.front: [{{topic: /front/image_raw, max_age: 0.1}}]
  observation.images.wrist: [{{topic: /wrist/image_raw, max_age: 0.1}}]
  observation.state:
    - {{topic: /joint_states, max_age: 0.1, take: [position, velocity], names: [{names}]}}
    - {{topic: /ee_pose, max_age: 0.1}}
"""


def record(path: Path, megabytes: float, jpeg: bool = False) -> Path:
    """Write a bag of so many megabytes of images as they come from a camera, or of JPEGs."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[0:480, 0:640]
    still = np.stack([90 + x // 8, 80 + y // 8, 70 + (x + y) // 16], -1)
    noisy = [
        np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8) for _ in range(16)
    ]
    images = f"sensor_msgs/msg/{'CompressedImage' if jpeg else 'Image'}"
    topics = {
        "/front/image_raw": (images, 30),
        "/wrist/image_raw": (images, 30),
        "/joint_states": ("sensor_msgs/msg/JointState", 500),
        "/ee_pose": ("geometry_msgs/msg/PoseStamped", 100),
    }
    pictures = [bags.compressed(p, 0, "jpg") if jpeg else bags.image(p, 0) for p in noisy]
    seconds = megabytes * 1e6 / (60 * len(pictures[0].data))
    times = sorted(
        (k * SECOND // hz, topic)
        for topic, (_, hz) in topics.items()
        for k in range(round(seconds * hz))
    )

    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            t: writer.add_connection(t, kind, typestore=bags.TYPES)
            for t, (kind, _) in topics.items()
        }
        for number, (time_, topic) in enumerate(times):
            now, kind = START + time_, topics[topic][0]
            if kind.endswith("Image"):
                message = replace(pictures[number % 16], header=bags.header(now))
            elif kind.endswith("JointState"):
                message = bags.joints(now, rng.normal(size=7).tolist(), NAMES)
            else:
                message = bags.pose(now, *rng.normal(size=3).tolist())

            writer.write(connections[topic], now, bytes(bags.TYPES.serialize_cdr(message, kind)))

    return path


def map_one(bag: Path, rate: int) -> None:
    """Export a bag.

    Print bytes of its messages, CPU time [s] and the process's largest size [MiB].
    """
    from wayfarer_export.foreign.convert import convert
    from wayfarer_export.foreign.map import read_map

    where = bag.parent / f"map_{rate}.yaml"
    where.write_text(MAP.format(rate=rate, names=", ".join(NAMES)))

    with tempfile.TemporaryDirectory(dir=bag.parent) as folder:
        began = time.process_time()
        done = convert([bag], read_map(where), where, Path(folder) / "out")
        spent = time.process_time() - began

    print(json.dumps([done.size, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def read_one(bag: Path) -> None:
    """Read a bag's messages, look at nothing; print as above."""
    from wayfarer_bags.files.bag_files import opened

    began = time.process_time()
    with opened(bag) as files:
        size = sum(len(message.cdr) for file in files for message in file.messages())

    print(
        json.dumps(
            [
                size,
                time.process_time() - began,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            ]
        )
    )


def _alone(bag: Path, rate: int) -> tuple[float, float]:
    """Do it in a process of its own, at `rate` Hz or for 0 the plain reading.

    Return MB/s and MiB.
    """
    words = [sys.executable, __file__, "--bag", str(bag), "--rate", str(rate)]
    size, spent, most = json.loads(
        subprocess.run(words, capture_output=True, text=True, check=True).stdout
    )

    return size / spent / 1e6, most


def measure(megabytes: float) -> Figures:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as name:
        small, large = (
            record(Path(name) / "small", megabytes / 4),
            record(Path(name) / "large", megabytes),
        )
        plain, _ = _alone(large, 0)
        at_10, most = _alone(large, 10)
        at_30, _ = _alone(large, 30)
        _, less = _alone(small, 10)
        packed = record(Path(name) / "jpeg", megabytes, jpeg=True)
        jpeg_at_10, _ = _alone(packed, 10)
        jpeg_at_30, _ = _alone(packed, 30)

    return {
        "mapping_bag_mb": megabytes,
        "mapping_plain_read_mb_per_s": plain,
        "mapping_10_hz_mb_per_s": at_10,
        "mapping_30_hz_mb_per_s": at_30,
        "mapping_10_hz_ratio": plain / at_10,
        "mapping_30_hz_ratio": plain / at_30,
        "mapping_jpeg_10_hz_mb_per_s": jpeg_at_10,
        "mapping_jpeg_30_hz_mb_per_s": jpeg_at_30,
        "mapping_memory_mib": most,
        "mapping_memory_of_a_quarter_mib": less,
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=1000.0, help="of the bag's messages")
    parser.add_argument("--bag", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    if arguments.bag is not None:
        (map_one(arguments.bag, arguments.rate) if arguments.rate else read_one(arguments.bag))
        return

    for key, value in measure(arguments.megabytes).items():
        print(f"{key:32} {value:12.3f}")


if __name__ == "__main__":
    main()
