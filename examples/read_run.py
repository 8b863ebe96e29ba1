"""Read a recorded run: a summary of each episode, and its steps as arrays.

.venv/bin/python examples/read_run.py runs/demo/goal
"""

import sys
from pathlib import Path

from wayfarer_bags.bag import read_episode
from wayfarer_bags.run_directory import RunDirectory


def main(folder: str) -> None:
    """Print one line for each episode of a run."""
    run = RunDirectory(Path(folder))

    for number, file in run.episodes().items():
        episode = read_episode(file)
        info = episode.info

        # T executed actions and T + 1 images; `valid` marks the steps without losses
        actions = episode.actions[episode.valid]  # (steps, 3), in units of action
        images = episode.images  # (T + 1, 84, 84, 3) uint8 RGB
        way = episode.ee_positions[-1] - episode.ee_positions[0]  # (3,) [m], base frame

        print(
            f"episode {number}: {info.end.name.lower()} after {info.steps} steps, "
            f"{episode.lost_steps} lost"
        )
        print(f"  {len(images)} images of {images.shape[1:]}, {len(actions)} actions")
        print(f"  the hand moved by {way.round(3)} m")


if __name__ == "__main__":
    main(sys.argv[1])
