"""Thins the arm's visual meshes, once for each user, when a world is first used, or by `python -m
wayfarer_sim.meshes`.

robosuite's Panda has 168,000 visible faces, and on a CPU the time of a frame is proportional to
them. A tenth of them looks the same at the size of observations. Collision meshes stay unchanged.
"""

import argparse
import hashlib
import json
import os
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from wayfarer_core.errors import DeviceError

KEPT = 0.1  # fraction of the faces
FEWEST = 100  # least faces of a mesh; with fewer, small parts lose their shape
PASSES = 4  # after one pass the mount, whose shell is open, still has twice the wanted faces
CARE = 3  # fast_simplification's aggressiveness; its 7 would bend the links by millimetres
STAMP = "made_from.json"


def mesh_directory() -> Path:
    """Return the folder of thinned meshes, in the user's cache.

    Each recipe has its own.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = hashlib.sha256(json.dumps(recipe(), sort_keys=True).encode()).hexdigest()
    return Path(cache) / "wayfarer" / f"meshes-{digest[:12]}"


def require_meshes(folder: Path | None = None) -> Path:
    """Return the folder of thinned meshes; make it if it is missing, which takes some seconds.

    Raises:
        DeviceError: it cannot be written.

    """
    folder = folder or mesh_directory()
    if not up_to_date(folder):
        try:
            make(folder)
        except OSError as error:
            if not up_to_date(folder):  # another process may have made it meanwhile
                raise DeviceError(
                    f"cannot keep thinned meshes in {folder}: {error}. XDG_CACHE_HOME may name "
                    "another place"
                ) from error

    return folder


def sources() -> list[Path]:
    """Return robosuite's visual meshes of the Panda's arm, gripper and mount."""
    spec = find_spec("robosuite")
    if spec is None or spec.origin is None:
        raise DeviceError("robosuite is not installed: run `make setup`")

    assets = Path(spec.origin).parent / "models" / "assets"
    arm = sorted((assets / "robots" / "panda" / "obj_meshes").glob("*/*.obj"))
    gripper = [
        assets / "grippers" / "meshes" / "panda_gripper" / f"{name}_vis.stl"
        for name in ("hand", "finger")
    ]

    return [*arm, *gripper, assets / "bases" / "meshes" / "rethink_mount" / "pedestal.stl"]


def recipe() -> dict[str, Any]:
    """Return everything that the thinned meshes depend on; another recipe makes a folder stale."""
    return {
        **{name: version(name) for name in ("robosuite", "trimesh", "fast-simplification")},
        "settings": [KEPT, FEWEST, PASSES, CARE],
        "meshes": [path.with_suffix(".stl").name for path in sources()],
    }


def up_to_date(folder: Path) -> bool:
    """Return whether the folder was made by the present recipe and is complete."""
    stamp, wanted = folder / STAMP, recipe()
    if not stamp.is_file() or json.loads(stamp.read_text()) != wanted:
        return False
    return all((folder / name).is_file() for name in wanted["meshes"])


def thin(source: Path, target: Path) -> tuple[int, int]:
    """Write a mesh with about KEPT of the faces; return the number of faces before and after."""
    import fast_simplification
    import trimesh

    mesh = trimesh.load(source, force="mesh", process=False)

    # merge the seams of texture and normals first, or they tear open
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces)
    faces = len(mesh.faces)
    wanted = max(FEWEST, round(KEPT * faces))

    for _ in range(PASSES):
        if len(mesh.faces) <= wanted:
            break

        points, triangles = fast_simplification.simplify(
            np.asarray(mesh.vertices), np.asarray(mesh.faces), target_count=wanted, agg=CARE
        )
        mesh = trimesh.Trimesh(points, triangles)

    mesh.export(target, file_type="stl")

    return faces, len(mesh.faces)


def make(folder: Path) -> None:
    """Fill the folder; it appears complete or not at all.

    OSError if it cannot be written, or another process was first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".meshes-") as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        counts = [thin(source, fresh / source.with_suffix(".stl").name) for source in sources()]
        (fresh / STAMP).write_text(json.dumps(recipe(), indent=2))
        if folder.exists():
            folder.rename(Path(scratch) / "stale")

        fresh.rename(folder)

    before, after = np.sum(counts, axis=0)
    print(f"thinned {len(counts)} meshes from {before} to {after} faces into {folder}")


def main() -> None:
    """Read the command line and make the meshes, unless they are there."""
    parser = argparse.ArgumentParser(description="thin out the visual meshes of robosuite's Panda")
    parser.add_argument(
        "--out", type=Path, default=mesh_directory(), help="folder to fill (default: %(default)s)"
    )
    folder: Path = parser.parse_args().out

    if up_to_date(folder):
        print(f"meshes in {folder} are up to date")
    else:
        make(folder)


if __name__ == "__main__":
    main()
