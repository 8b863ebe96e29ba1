"""What the shipped configurations, and the rig's, must keep to."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "config", ["launch/config/hardware_fr3.yaml", "launch/config/hardware_panda.yaml", "tests/rigs/rig.yaml"]
)
def test_on_the_way_to_a_target_the_arm_is_not_faster_than_the_gate_allows_on_the_mean(config: str) -> None:
    nodes = {name: of["ros__parameters"] for name, of in yaml.safe_load((ROOT / config).read_text()).items()}
    assert nodes["/**/franka_bridge"]["top_speed"] <= nodes["/**/control"]["max_speed"]
