"""Checks that a run holds what is wanted.

Call it before any of its episodes counts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wayfarer_bags.run_description import Configuration, differences
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import ConfigError
from wayfarer_launch.collection import Collection, launch_arguments
from wayfarer_launch.launch_file import read_launch_file
from wayfarer_launch.nodes import find_launch_file, share_of
from wayfarer_policies.acting.offline_policy import ANY

from wayfarer_in_process.config import parameters_of

_LAUNCH_FILE = "sim.launch.xml"
_SIMULATOR = "sim_bridge"  # a node that only simulated runs have
_SAID = {  # by whoever wants episodes
    "collector": ("method", "steps"),
    "actor": ("checkpoint", "checkpoint_sha256", "policy_name"),
}


def check_run(wanted: Collection) -> None:
    """Compare the parameters of a run with the wanted ones.

    A robot's run must only have the same method, length, seed and policy; the rest comes from its
    launch file. Raises ConfigError naming the differences.
    """
    description = RunDirectory(wanted.out).description()
    recorded: Configuration = description.get("configuration") or {}
    launch = read_launch_file(find_launch_file(_LAUNCH_FILE), launch_arguments(wanted), share_of)
    meant = parameters_of(launch).description()
    simulated = _SIMULATOR in recorded
    by_path = recorded.get("actor", {}).get("checkpoint_sha256") == ANY  # launched without a digest
    found = differences(*(_compared(of, simulated, by_path) for of in (recorded, meant))) + _seeds(
        description, wanted
    )

    if not simulated and wanted.config is not None:
        found.append(f"it is no run of the simulator, whose parameters {wanted.config} has")

    if found:
        raise ConfigError(
            f"what {wanted.out} holds is not what is to be counted; choose another --out: "
            f"{'; '.join(found)}"
        )


def _compared(
    configuration: Configuration, whole: bool, by_path: bool
) -> dict[str, dict[str, Any]]:
    """Return the parameters that must be equal.

    A policy is compared by its digest, or by its path if the run has no digest.
    """
    parts = {
        node: {key: value for key, value in values.items() if whole or key in _SAID[node]}
        for node, values in configuration.items()
        if whole or node in _SAID
    }
    actor = parts.get("actor", {})
    actor.pop("checkpoint_sha256" if by_path else "checkpoint", None)

    if "checkpoint" in actor:
        actor["checkpoint"] = str(Path(actor["checkpoint"]).resolve())

    return parts


def _seeds(description: Mapping[str, Any], wanted: Collection) -> list[str]:
    """Say which sessions had another seed.

    The seed is not part of the configuration, because a run may continue with another.
    """
    seeds = [
        session.get("collector", {}).get("seed") for session in description.get("sessions", [])
    ]
    others = sorted({seed for seed in seeds if seed not in (None, wanted.seed)})

    return [f"collector.seed was {seed!r}, is {wanted.seed!r}" for seed in others]
