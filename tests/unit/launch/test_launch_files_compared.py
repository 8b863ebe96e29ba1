"""The hardware runs the simulator's nodes.

Only the bridge, and what the camera node reads, may differ.
"""

from pathlib import Path

import pytest
import yaml
from wayfarer_core.errors import ConfigError
from wayfarer_launch.launch_file import Launch, NodeSpec, read_launch_file
from wayfarer_ros2_control.interfaces import REQUIRED

SHIPPED = Path(__file__).parents[3] / "launch"
ARGUMENTS = {
    "run": "/tmp/run",
    "method": "goal",
    "learning": "true",
    "episodes": "3",
    "steps": "7",
    "seed": "5",
}
BRIDGES = {"sim_bridge", "franka_bridge"}
SIM_CLOCK = {("use_sim_time", "true"), ("use_sim_time", "false")}


def read(name: str, **given: str) -> Launch:
    return read_launch_file(SHIPPED / f"{name}.launch.xml", given, lambda _: SHIPPED)


def told(node: NodeSpec) -> set[tuple[str, str]]:
    """What a node is told by the launch file itself, but for the clock."""
    return {(key, value) for key, value in node.parameters if key != "from"} - SIM_CLOCK


@pytest.mark.parametrize("robot", ["fr3", "panda"])
def test_hardware_starts_the_simulators_nodes_but_for_the_bridge(robot: str) -> None:
    sim, hardware = read("sim", **ARGUMENTS), read("hardware", robot=robot, **ARGUMENTS)
    ours = [node for node in sim.nodes if node.name not in BRIDGES]
    theirs = [node for node in hardware.nodes if node.name not in BRIDGES]
    assert [node.name for node in ours] == [
        "camera", "control", "view", "actor", "replay", "novelty", "learner", "collector"
    ]  # fmt: skip
    assert len(theirs) == len(ours)

    for a, b in zip(ours, theirs, strict=True):
        assert (a.package, a.executable, a.name, a.namespace) == (
            b.package,
            b.executable,
            b.name,
            b.namespace,
        )
        assert (a.remaps, a.ends_run) == (b.remaps, b.ends_run)
        assert told(a) == told(b), a.name

    assert [node.package for node in sim.nodes if node.name in BRIDGES] == ["wayfarer_sim_bridge"]
    assert [node.package for node in hardware.nodes if node.name in BRIDGES] == [
        "wayfarer_franka_bridge"
    ]


@pytest.mark.parametrize("robot", ["fr3", "panda"])
def test_the_two_machines_together_start_what_one_does(robot: str) -> None:
    one = read("hardware", robot=robot, robot_ip="10.0.0.2", **ARGUMENTS)
    robot_pc = read("robot_pc", robot=robot, robot_ip="10.0.0.2")
    workstation = read("workstation", robot=robot, **ARGUMENTS)
    assert one.nodes == robot_pc.nodes + workstation.nodes


def test_the_bridge_is_told_the_robots_address() -> None:
    (bridge,) = (
        n for n in read("robot_pc", robot_ip="10.0.0.2").nodes if n.name == "franka_bridge"
    )
    assert ("robot_ip", '"10.0.0.2"') in bridge.parameters


@pytest.mark.parametrize("name", ["hardware", "robot_pc"])
@pytest.mark.parametrize(("key", "value"), [("robot", "ur5"), ("backend", "magic")])
def test_a_robot_or_backend_there_is_not_is_refused(name: str, key: str, value: str) -> None:
    given = {"run": "x"} if name == "hardware" else {}
    with pytest.raises(ConfigError, match=f"{key}:={value} is not one of"):
        read(name, **given, **{key: value})


def test_no_hardware_can_be_simulated_by_mistake() -> None:
    with pytest.raises(ConfigError, match="backend:=sim is not one of bridge, ros2_control"):
        read("hardware", run="x", backend="sim")


def section(config: str, node: str) -> dict[str, object]:
    values: dict[str, object] = yaml.safe_load((SHIPPED / "config" / f"{config}.yaml").read_text())[
        f"/**/{node}"
    ]["ros__parameters"]
    return values


@pytest.mark.parametrize("config", ["hardware_fr3", "hardware_panda"])
def test_the_gates_limits_differ_from_the_simulators_in_the_box_alone(config: str) -> None:
    sim, hardware = section("sim", "control"), section(config, "control")
    differing = {key for key in sim.keys() | hardware.keys() if sim.get(key) != hardware.get(key)}
    # of a simulator on a busy machine: no limit of a command
    differing -= {"state_timeout", "acknowledge_timeout"}
    assert differing == {"workspace_min", "workspace_max"}
    assert section(config, "camera")["control_period"] == section("sim", "camera")["control_period"]


DRIVERS = {"fr3": "franka_ros2", "panda": "multipanda_ros2"}
# by the node panda_names
TRANSLATED = {"fr3": set(), "panda": {"robot/robot_state", "robot/error_recovery"}}


@pytest.mark.parametrize("robot", DRIVERS)
@pytest.mark.parametrize("part", ["robot_pc", "workstation"])
def test_with_ros2_control_the_contract_is_mapped_onto_exactly_what_is_looked_for(
    part: str, robot: str
) -> None:
    given = {"run": "x"} if part == "workstation" else {}
    nodes = read(part, backend="ros2_control", robot=robot, **given).nodes
    required = REQUIRED[DRIVERS[robot]]
    wanted = {(r.contract, r.name) for r in required if r.contract not in TRANSLATED[robot]}
    assert all(set(node.remaps) == wanted for node in nodes)
    assert all(node.remaps == () for node in read(part, backend="bridge", **given).nodes)


@pytest.mark.parametrize("robot", DRIVERS)
def test_with_ros2_control_no_bridge_of_ours_runs_and_the_collector_still_finds_one_by_that_name(
    robot: str,
) -> None:
    nodes = read("hardware", backend="ros2_control", robot=robot, **ARGUMENTS).nodes
    assert [node.package for node in nodes if node.name in BRIDGES] == ["wayfarer_ros2_control"]
    assert [node.name for node in nodes if node.name == "panda_names"] == ["panda_names"] * (
        robot == "panda"
    )
    assert section("hardware_fr3", "collector")["bridge"] == "franka_bridge"


def test_in_the_simulator_a_parameter_file_may_leave_out_limits_and_on_hardware_it_may_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.yaml").write_text("/**/control:\n  ros__parameters: {max_speed: 0.1}\n")
    own, sim_yaml = str(tmp_path / "own.yaml"), str(SHIPPED / "config" / "sim.yaml")
    files = {
        name: [
            value
            for node in read(name, config=own, **ARGUMENTS).nodes
            if node.name == "control"
            for key, value in node.parameters
            if key == "from"
        ]
        for name in ("sim", "hardware")
    }
    assert files == {"sim": [sim_yaml, own], "hardware": [own, own]}
