from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from wayfarer_cli.collect import collect_episodes
from wayfarer_core.errors import ConfigError
from wayfarer_in_process.run import collect_in_process
from wayfarer_launch.collection import Collection, Hardware, launch_arguments
from wayfarer_launch.launch_file import declared_arguments

LAUNCH = Path(__file__).parents[3] / "launch"
NOT_SAID = Hardware()
PANDA = Hardware(robot="panda", robot_ip="10.0.0.2", backend="bridge")


def wanted(target: str, hardware: Hardware = NOT_SAID) -> Collection:
    return Collection(
        target, "goal", 3, 20, 1, Path("never-made"), "sequential", None, hardware=hardware
    )


def test_a_target_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="target 'moon' is not one of sim, hardware"):
        collect_episodes(wanted("moon"))


def test_hardware_is_told_which_arm_is_meant_and_only_what_was_said() -> None:
    said = launch_arguments(wanted("hardware", PANDA))
    assert (said["robot"], said["robot_ip"], said["backend"]) == ("panda", "10.0.0.2", "bridge")
    assert {"robot", "robot_ip", "backend"}.isdisjoint(launch_arguments(wanted("hardware")))


@pytest.mark.parametrize(("target", "hardware"), [("sim", NOT_SAID), ("hardware", PANDA)])
def test_the_launch_file_of_a_target_takes_all_that_it_is_told(
    target: str, hardware: Hardware
) -> None:
    assert set(launch_arguments(wanted(target, hardware))) <= set(
        declared_arguments(LAUNCH / f"{target}.launch.xml")
    )


def test_a_device_is_told_to_the_launch_file_where_there_is_one() -> None:
    assert "device" not in launch_arguments(wanted("sim"))
    by_hand = Collection(
        "sim", "teleop", 3, 20, 1, Path("never-made"), "sequential", None, device="gamepad"
    )
    assert launch_arguments(by_hand)["device"] == "gamepad"

    with pytest.raises(
        ConfigError, match="--method teleop needs --device keyboard, gamepad, spacemouse or topic"
    ):
        Collection("sim", "teleop", 3, 20, 1, Path("never-made"), "sequential", None)


def test_a_camera_in_the_hand_is_told_to_the_launch_file_where_there_is_one() -> None:
    assert "wrist" not in launch_arguments(wanted("sim"))
    assert launch_arguments(replace(wanted("sim"), wrist=True))["wrist"] == "true"


def test_the_simulator_has_no_arm_to_choose() -> None:
    with pytest.raises(
        ConfigError, match="robot, robot_ip, backend: only --target hardware has a robot to choose"
    ):
        collect_episodes(wanted("sim", PANDA))


@pytest.mark.parametrize(
    ("method", "schedule", "recorded", "said", "threads"),
    [
        ("goal", "sequential", None, None, 3),  # nothing acts while it learns: all cores
        ("goal", "overlapped", None, None, 1),
        ("random", "sequential", None, None, 1),
        ("goal", "sequential", {"threads": 2}, None, 2),  # as the run was begun
        ("goal", "sequential", {}, None, 1),  # begun before the number was recorded
        ("goal", "sequential", {"threads": 2}, 5, 5),
    ],
)
def test_the_number_of_threads_is_the_runs_own_or_what_the_schedule_allows(
    method: str,
    schedule: str,
    recorded: dict[str, int] | None,
    said: int | None,
    threads: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    if recorded is not None:
        (tmp_path / "run.yaml").write_text(yaml.safe_dump({"sessions": [recorded]}))
    collection = Collection("sim", method, 3, 20, 1, tmp_path, schedule, None, threads=said)
    assert launch_arguments(collection)["threads"] == str(threads)


def test_hardware_does_not_run_in_one_process() -> None:
    with pytest.raises(
        ConfigError, match="--in-process runs the simulator only, not target 'hardware'"
    ):
        collect_in_process(wanted("hardware"))
