"""Counts a run's episodes, after a check that they are the wanted ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wayfarer_bags.run_description import Configuration, differences
from wayfarer_bags.run_directory import RunDirectory, finished
from wayfarer_core.errors import ConfigError
from wayfarer_launch.collection import Collection
from wayfarer_launch.launch_file import Launch
from wayfarer_policies.acting.offline_policy import ANY

from wayfarer_in_process.config import parameters_of

_SIMULATOR = "sim_bridge"  # a node that only simulated runs have
_SAID = {  # by whoever wants episodes
    "collector": ("method", "steps"),
    "actor": ("checkpoint", "checkpoint_sha256", "policy_name"),
}


def held_episodes(wanted: Collection, launch: Launch) -> int:
    """Count a run's finished episodes, 0 without a run.

    Its parameters are compared with those of the launch file. A robot's run must only have the same
    method, length, seed and policy; the rest comes from its launch file. Raises ConfigError naming
    the differences.
    """
    meant = parameters_of(launch).description()
    held, _ = finished(wanted.out)
    if not held:
        return 0

    description = RunDirectory(wanted.out).description()
    recorded: Configuration = description.get("configuration") or {}
    simulated = _SIMULATOR in recorded
    by_path = recorded.get("actor", {}).get("checkpoint_sha256") == ANY  # launched without a digest
    found = differences(*(_compared(of, simulated, by_path) for of in (recorded, meant)))
    found += [
        f"collector.seed was {seed!r}, is {wanted.seed!r}"
        for seed in _seeds(description)
        if seed != wanted.seed
    ]

    if not simulated and wanted.config is not None:
        found.append(f"it is no run of the simulator, whose parameters {wanted.config} has")

    if found:
        raise ConfigError(
            f"what {wanted.out} holds is not what is to be counted; choose another --out: "
            f"{'; '.join(found)}"
        )

    return held


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


def _seeds(description: Mapping[str, Any]) -> list[Any]:
    """Return the seeds of a run's sessions.

    A seed is not part of the configuration, because a run may continue with another.
    """
    seeds = {
        session.get("collector", {}).get("seed") for session in description.get("sessions", [])
    }

    return sorted(seeds - {None})
