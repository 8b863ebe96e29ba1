"""A wanted collection, and the launch arguments for it."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from wayfarer_bags.run_directory import RunDirectory, finished
from wayfarer_core.errors import ConfigError
from wayfarer_core.options import DEVICES, NO_DEVICE
from wayfarer_core.targets import CLOSED
from wayfarer_policies.exploration.methods import method

LAUNCH_FILES = {"sim": "sim.launch.xml", "hardware": "hardware.launch.xml"}
NAMESPACE = "wayfarer"


@dataclass(frozen=True)
class Hardware:
    """The arm; None: as the launch file says."""

    robot: str | None = None
    robot_ip: str | None = None
    backend: str | None = None

    def arguments(self) -> dict[str, str]:
        """Return the launch arguments for what was given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Collection:
    """What to collect, how, and where to."""

    target: str
    method: str
    episodes: int
    steps: int
    seed: int
    out: Path
    schedule: str
    config: Path | None
    recipe: str = "practical"
    # torch's threads; None: as in the run so far; for a new run, as its schedule allows
    threads: int | None = None
    hardware: Hardware = Hardware()  # for target hardware only
    device: str = NO_DEVICE  # with which a person acts, or takes over from the policy
    gripper_width: float = CLOSED  # m that the gripper opens to; 0: it stays closed
    # for method offline: the policy's file and its SHA-256
    checkpoint: tuple[Path, str] | None = None
    # for method external: the policy server's address, and its policy's name
    server: tuple[str, str] | None = None

    wrist: bool = False  # a camera in the hand, too

    def __post_init__(self) -> None:
        if method(self.method).by_hand and self.device == NO_DEVICE:
            raise ConfigError(
                f"--method {self.method} needs --device {', '.join(DEVICES[:-1])} or {DEVICES[-1]}"
            )


def holds_all(wanted: Collection) -> bool:
    """Say whether the run already holds all wanted episodes; if so, print it."""
    done, _ = finished(wanted.out)
    if done >= wanted.episodes:
        print(
            f"{wanted.out} holds {done} finished episodes already: --episodes {done + 1} or more "
            "would add to it"
        )

    return done >= wanted.episodes


def launch_arguments(wanted: Collection) -> dict[str, str]:
    """Return the arguments for the launch file."""
    given = {
        "run": str(wanted.out.resolve()),
        "method": wanted.method,
        "episodes": str(wanted.episodes),
        "steps": str(wanted.steps),
        "seed": str(wanted.seed),
        "recipe": wanted.recipe,
        "schedule": wanted.schedule,
        "threads": str(threads_of(wanted)),
        "learning": str(method(wanted.method).learns).lower(),
        "namespace": NAMESPACE,
        **wanted.hardware.arguments(),
    }
    if wanted.device != NO_DEVICE:
        given["device"] = wanted.device

    if wanted.wrist:
        given["wrist"] = "true"
    if wanted.gripper_width != CLOSED:
        given["gripper_width"] = str(float(wanted.gripper_width))

    if wanted.checkpoint is not None:
        file, sha256 = wanted.checkpoint
        given |= {"checkpoint": str(file.resolve()), "checkpoint_sha256": sha256}

    if wanted.server is not None:
        given["policy_address"], given["policy_name"] = wanted.server

    if wanted.config is not None:
        given["config"] = str(wanted.config.resolve())

    return given


def threads_of(wanted: Collection) -> int:
    """Return the number of torch's threads.

    A run continues with its first number, so that a restart changes no bit. A new run
    uses all cores if nothing acts while it learns, else one.
    """
    if wanted.threads is not None:
        return wanted.threads

    sessions = (
        RunDirectory(wanted.out).description().get("sessions", [])
        if (wanted.out / "run.yaml").exists()
        else []
    )
    if sessions:
        return int(sessions[-1].get("threads", 1))  # older runs used one

    alone = method(wanted.method).learns and wanted.schedule == "sequential"

    return len(os.sched_getaffinity(0)) if alone else 1
