"""Batches of a LeRobot dataset per second of CPU time.

Data.py runs it in .venv/loaders: data_lerobot.py DATA SIZE.
"""

import os
import sys
import time
from pathlib import Path

import torch

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
BATCHES = 12

if __name__ == "__main__":
    root, batch = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    from lerobot.datasets.lerobot_dataset import LeRobotDataset, LeRobotDatasetMetadata

    rate = LeRobotDatasetMetadata("wayfarer/benchmark", root=root).fps
    data = LeRobotDataset(
        "wayfarer/benchmark", root=root, delta_timestamps={"observation.image": [0.0, 1.0 / rate]}
    )
    loader = iter(torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True))
    next(loader)
    began = time.process_time()
    for _ in range(BATCHES):
        assert next(loader)["observation.image"].shape[:2] == (batch, 2)
    print(BATCHES / (time.process_time() - began))
