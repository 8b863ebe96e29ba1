"""How far the cube tracker is from the simulator's truth.

`cube_tracker.py [--poses 120] [--episodes 6] [--json] [--figure FILE.png]`

Still: the cube lies anywhere in the picture, on any face, nothing in front. Pushed: the hand pushes
it about for 40 steps an episode; labels whose truth is flat (within 3 degrees) are compared, the
rest is counted.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from wayfarer_core.cube import EDGE, top_face
from wayfarer_sim.cube_world import CubeWorld, CubeWorldConfig
from wayfarer_vision.camera import Camera
from wayfarer_vision.cube_tracker import CubeTracker
from wayfarer_vision.picture import Crop, observe

TURNS = {
    "yellow": (0, 0, 0),
    "cyan": (180, 0, 0),
    "green": (90, 0, 0),
    "blue": (-90, 0, 0),
    "white": (0, -90, 0),
    "red": (0, 90, 0),
}  # [degree]
STEPS, STEP = 40, 0.5  # of an episode; s
BOX = ((0.36, -0.35, -0.08), (0.80, 0.35, 0.388))  # m, of the hand
CORNERS = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * EDGE
VIEWS = {
    "84x84 as rendered": (84, 84, False),
    "84x84 of 640x480": (640, 480, True),
    "640x480": (640, 480, False),
}


class Eye:
    """One way to look at the world."""

    def __init__(self, world: CubeWorld, width: int, height: int, shrunk: bool) -> None:
        self._world, self._size, self._shrunk = world, (width, height), shrunk
        table = float(world.table_centre[2])
        camera = Camera(
            world.camera_intrinsics(width, height), world.T_base_camera, width, height, table
        )
        self.camera = camera.cropped(80, 0, 480, 480).resized(84, 84) if shrunk else camera
        self.tracker = CubeTracker(self.camera)

    def picture(self) -> NDArray[np.uint8]:
        pixels = self._world.render(*self._size)
        return observe(pixels, Crop(left=80), 84) if self._shrunk else pixels

    def sees(self, place: NDArray[np.float64]) -> bool:
        """Whether a cube at a place (3,) is in the picture, and a good part about it."""
        corners = self.camera.project(place + CORNERS)

        return bool(
            (corners > 0).all()
            and (corners < (self.camera.width - 1, self.camera.height - 1)).all()
        )


def put_down(world: CubeWorld, face: str, place: NDArray[np.float64], yaw: float) -> None:
    turn = Rotation.from_euler("z", yaw, degrees=True) * Rotation.from_euler(
        "xyz", TURNS[face], degrees=True
    )
    world.place_cube(place, turn.as_quat())


def still(world: CubeWorld, eye: Eye, poses: int, seed: int = 1) -> list[tuple[float, float, bool]]:
    """Return error [mm], confidence and whether the top is right, of each pose.

    Infinity where it is not seen.
    """
    rng = np.random.default_rng(seed)
    world.reset(0)
    found: list[tuple[float, float, bool]] = []

    while len(found) < poses:
        face = list(TURNS)[len(found) % len(TURNS)]
        place = world.table_centre + np.array(
            [rng.uniform(-0.2, 0.2), rng.uniform(-0.3, 0.3), EDGE / 2]
        )
        yaw = rng.uniform(0.0, 360.0)

        if eye.sees(place):
            put_down(world, face, place, yaw)
            it = eye.tracker.track(eye.picture())
            found.append(
                (np.inf, 0.0, False)
                if it is None
                else (
                    1e3 * float(np.linalg.norm(it.position - place)),
                    it.confidence,
                    it.top_face == face,
                )
            )

    return found


def pushed(world: CubeWorld, eye: Eye, episodes: int, seed: int = 3) -> dict[str, Any]:
    """Return errors [mm] and tops of the labels of flat cubes in the picture, and how many there
    might have been.
    """
    rng = np.random.default_rng(seed)
    errors, right, flat, tilted, others = [], 0, 0, 0, []
    for episode in range(episodes):
        world.reset(episode)
        place = world.table_centre + np.array([*rng.uniform(-0.1, 0.1, 2), EDGE / 2])
        put_down(world, list(TURNS)[episode % len(TURNS)], place, rng.uniform(0.0, 360.0))
        images, truth = [], []

        for _ in range(STEPS):
            images.append(eye.picture())
            truth.append(np.concatenate(world.cube_pose))
            hand = world.ee_pose[0]
            action = np.clip(world.cube_pose[0] - hand + rng.normal(0.0, 0.05, 3), -0.125, 0.125)
            world.advance(np.clip(hand + action, *BOX), STEP)

        for label, pose in zip(eye.tracker(np.array(images)), truth, strict=True):
            up = np.abs(Rotation.from_quat(pose[3:]).as_matrix()[2]).max()
            error = 1e3 * float(np.linalg.norm(label[:3] - pose[:3]))
            if up > np.cos(np.radians(3.0)) and eye.sees(pose[:3]):
                flat += 1
                if np.isfinite(error):
                    errors.append(error)
                    right += top_face(label[3:]) == top_face(pose[3:])
            else:
                tilted += 1
                others += [error] if np.isfinite(error) else []

    return {"errors": errors, "right": right, "flat": flat, "tilted": tilted, "others": others}


def summary(errors: list[float], right: int, of: int) -> dict[str, float]:
    return {
        "labelled": len(errors) / of,
        "top_right": right / max(len(errors), 1),
        "median_mm": float(np.median(errors)),
        "p95_mm": float(np.percentile(errors, 95)),
        "max_mm": float(np.max(errors)),
    }


def measure(
    poses: int, episodes: int
) -> tuple[dict[str, dict[str, float]], dict[str, list[float]]]:
    """Return numbers and all errors [mm] by name of the case."""
    table, curves = {}, {}
    for hide in (True, False):
        world = CubeWorld(CubeWorldConfig(hide_robot=hide))
        for name, view in VIEWS.items():
            eye = Eye(world, *view)
            start = time.perf_counter()
            if hide:
                found = still(world, eye, poses)
                trusted = [f for f in found if f[1] >= 0.5]
                case, errors = f"still, {name}", [f[0] for f in trusted]
                table[case] = summary(errors, sum(f[2] for f in trusted), poses)
                table[case]["s_per_picture"] = (time.perf_counter() - start) / poses
                curves[case] = errors

            got = pushed(world, eye, episodes)
            case = f"pushed, {'arm hidden' if hide else 'arm seen'}, {name}"
            table[case] = summary(got["errors"], got["right"], got["flat"])
            table[case] |= {"tilted": got["tilted"], "tilted_labelled": len(got["others"])}
            curves[case] = got["errors"]

        world.close()

    return table, curves


def draw(curves: dict[str, list[float]], path: Path) -> None:
    """Draw the share of labels within an error, one curve a case."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    lines = {"still": "-", "arm hidden": "--", "arm seen": ":"}

    for case, errors in curves.items():
        line = next(style for word, style in lines.items() if word in case)
        colour = f"C{list(VIEWS).index(case.split(', ')[-1])}"
        axes.plot(np.sort(errors), np.linspace(0, 100, len(errors)), line, color=colour, label=case)

    axes.set(
        xlim=(0, 10),
        ylim=(0, 101),
        xlabel="error of the cube's position [mm]",
        ylabel="labels within it [%]",
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--poses", type=int, default=120)
    parser.add_argument("--episodes", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    table, curves = measure(given.poses, given.episodes)

    if given.figure:
        draw(curves, given.figure)

    if given.json:
        print(json.dumps(table))
        return

    for case, numbers in table.items():
        print(f"{case:42s} " + "  ".join(f"{key} {value:.3g}" for key, value in numbers.items()))


if __name__ == "__main__":
    main()
