"""What the shipped configurations, and the rig's, must keep to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fixtures.shipped import ROOT, section
from wayfarer_franka_bridge.geometry import from_tool, out_of_reach

ARMS = [
    "launch/config/hardware_fr3.yaml",
    "launch/config/hardware_panda.yaml",
    "tests/rigs/rig.yaml",
]
CONFIGS = [*ARMS, "launch/config/sim.yaml", "launch/config/demo.yaml"]
TOOL, REACH = np.array([0.0, 0.0, -0.007]), 0.70  # the bridge's defaults


@pytest.fixture(params=ARMS)
def nodes(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    return {
        node: section(ROOT / Path(request.param), node) for node in ("control", "franka_bridge")
    }


def test_on_the_way_to_a_target_the_arm_is_not_faster_than_the_gate_allows_on_the_mean(
    nodes: dict[str, dict[str, Any]],
) -> None:
    assert nodes["franka_bridge"]["top_speed"] <= nodes["control"]["max_speed"]
    assert nodes["franka_bridge"]["top_turn"] <= nodes["control"]["max_turn"]


@pytest.mark.parametrize("config", CONFIGS)
def test_there_is_one_box_scale_and_orientation_in_a_configuration(config: str) -> None:
    """So that every method, with every recipe, can be collected with a file as it is shipped."""
    nodes = {
        name.removeprefix("/**/"): values["ros__parameters"]
        for name, values in loaded(config).items()
    }
    for key in ("workspace_min", "workspace_max", "action_scale", "orientation"):
        told = {node: values[key] for node, values in nodes.items() if key in values}
        assert all(value == nodes["control"][key] for value in told.values()), (key, told)


def loaded(config: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / config).read_text())
    return values


@pytest.mark.parametrize("key", ["workspace_min", "workspace_max", "orientation"])
def test_the_bridge_keeps_to_controls_box(nodes: dict[str, dict[str, Any]], key: str) -> None:
    assert nodes["franka_bridge"][key] == nodes["control"][key]


def test_every_point_of_the_box_is_within_reach(nodes: dict[str, dict[str, Any]]) -> None:
    control = nodes["control"]
    sides = (
        np.linspace(*ends, 41)
        for ends in zip(control["workspace_min"], control["workspace_max"], strict=True)
    )
    points = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3)
    q = np.array(control["orientation"])
    assert [p.tolist() for p in points if out_of_reach(from_tool(p, q, TOOL), q, REACH)] == []
