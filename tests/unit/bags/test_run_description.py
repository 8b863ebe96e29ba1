import json
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import pytest
import yaml
from wayfarer_bags.run_description import describe
from wayfarer_bags.run_directory import configuration_digest
from wayfarer_core.errors import ConfigError
from wayfarer_core.options import ActingOptions, LearnerOptions

CONFIGURATION: dict[str, dict[str, Any]] = {
    "collector": {"method": "random", "steps": 200, "seed": 0, "episodes": 8, "step_timeout": 30.0},
    "control": {"max_step": 0.22, "workspace_min": [0.36, -0.35, -0.08], "use_sim_time": True},
    "replay": {"run": "/runs/a", "complete_timeout": 2.0},
}


def changed(node: str, key: str, value: Any) -> dict[str, dict[str, Any]]:
    configuration = deepcopy(CONFIGURATION)
    configuration.setdefault(node, {})[key] = value
    return configuration


def test_a_new_run_keeps_its_configuration_and_its_first_session() -> None:
    description = describe({}, CONFIGURATION)
    assert description["format"] == 1
    assert description["configuration"]["control"] == {
        "max_step": 0.22,
        "workspace_min": [0.36, -0.35, -0.08],
        "gripper_width": 0.0,
    }
    (session,) = description["sessions"]
    assert session["collector"] == CONFIGURATION["collector"]
    assert session["versions"]["numpy"][0].isdigit()
    assert set(session) == {
        "started",
        "host",
        "commit",
        "python",
        "threads",
        "teleop_device",
        "versions",
        "collector",
    }


def test_a_session_tells_the_number_of_threads_which_the_next_may_change() -> None:
    first = describe({}, changed("learner", "threads", 3))
    assert first["sessions"][0]["threads"] == 3
    assert describe(first, changed("learner", "threads", 1))["sessions"][1]["threads"] == 1


def test_a_session_tells_the_device_which_the_next_may_change_and_old_runs_had_none() -> None:
    assert describe({}, CONFIGURATION)["sessions"][0]["teleop_device"] == "none"
    first = describe({}, changed("actor", "teleop_device", "keyboard"))
    assert (
        describe(first, changed("actor", "teleop_device", "gamepad"))["sessions"][1][
            "teleop_device"
        ]
        == "gamepad"
    )


def test_a_package_that_is_missing_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayfarer_bags.run_description._VERSIONS", ("no-such-package",))
    (session,) = describe({}, CONFIGURATION)["sessions"]
    assert session["versions"] == {"no-such-package": "not installed"}


def test_what_only_says_how_much_and_where_is_no_part_of_the_configuration() -> None:
    kept = describe({}, CONFIGURATION)["configuration"]
    assert "replay" not in kept
    assert kept["collector"] == {
        "method": "random",
        "steps": 200,
        "candidates": 0,
        "wrist": False,
    }


def test_continuing_with_the_same_configuration_adds_a_session() -> None:
    once = describe({}, CONFIGURATION)
    twice = describe(once, CONFIGURATION)
    assert len(twice["sessions"]) == 2
    assert twice["sessions"][0] == once["sessions"][0]
    assert twice["configuration"] == once["configuration"]
    assert twice["configuration_sha256"] == once["configuration_sha256"]


@pytest.mark.parametrize(
    ("node", "key", "value"),
    [
        ("collector", "episodes", 99),
        ("collector", "seed", 7),
        ("collector", "step_timeout", 1.0),
        ("control", "use_sim_time", False),
        ("replay", "run", "/elsewhere"),
        ("replay", "camera_images", True),
    ],
)
def test_what_may_differ_between_sessions_may_differ(node: str, key: str, value: Any) -> None:
    description = describe(describe({}, CONFIGURATION), changed(node, key, value))
    assert len(description["sessions"]) == 2
    assert (
        description["configuration_sha256"] == describe({}, CONFIGURATION)["configuration_sha256"]
    )


@pytest.mark.parametrize(
    ("node", "key", "value", "words"),
    [
        ("control", "max_step", 0.3, "control.max_step was 0.22, is 0.3"),
        ("collector", "method", "goal", "collector.method was 'random', is 'goal'"),
        ("control", "fresh", 1, "control.fresh was None, is 1"),
        ("camera", "crop_size", 84, "camera.crop_size was None, is 84"),
        ("control", "workspace_min", [0.3, -0.35, -0.08], "control.workspace_min was"),
    ],
)
def test_what_changes_the_meaning_of_an_episode_is_refused_by_name(
    node: str, key: str, value: Any, words: str
) -> None:
    first = describe({}, CONFIGURATION)
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        describe(first, changed(node, key, value))


def test_a_run_that_was_begun_before_there_were_recipes_goes_on_with_the_papers() -> None:
    earlier = {
        **CONFIGURATION,
        "actor": {"method": "goal", "ee_position": False},
        "learner": {"method": "goal"},
    }
    first = {"configuration": earlier, "sessions": [{}]}
    actor, learner = (
        yaml.safe_load(json.dumps(asdict(of()))) for of in (ActingOptions, LearnerOptions)
    )
    paper = {
        **CONFIGURATION,
        "actor": {"method": "goal", **actor},
        "learner": {"method": "goal", **learner},
    }
    assert len(describe(first, paper)["sessions"]) == 2
    practical = {**paper, "learner": {**paper["learner"], "tau": 0.01}}

    with pytest.raises(ConfigError, match=r"learner\.tau was 0\.005, is 0\.01"):
        describe(first, practical)


def test_a_parameter_that_is_gone_is_a_difference_too() -> None:
    less = deepcopy(CONFIGURATION)
    del less["control"]["max_step"]
    with pytest.raises(ConfigError, match=r"control\.max_step was 0\.22, is None"):
        describe(describe({}, CONFIGURATION), less)


def test_every_difference_is_listed() -> None:
    other = changed("control", "max_step", 0.3)
    other["collector"]["method"] = "goal"
    with pytest.raises(ConfigError) as caught:
        describe(describe({}, CONFIGURATION), other)

    assert "control.max_step" in str(caught.value)
    assert "collector.method" in str(caught.value)


def test_the_digest_follows_the_configuration_and_not_the_order_of_its_keys() -> None:
    digest = describe({}, CONFIGURATION)["configuration_sha256"]
    backwards = {
        node: dict(reversed(values.items())) for node, values in reversed(CONFIGURATION.items())
    }
    assert describe({}, backwards)["configuration_sha256"] == digest
    assert describe({}, changed("control", "max_step", 0.3))["configuration_sha256"] != digest
    assert len(digest) == 64


def test_a_run_described_and_read_back_as_yaml_can_be_continued() -> None:
    written = yaml.safe_dump(describe({}, changed("control", "tiny", 1e-05)), sort_keys=False)
    description = describe(yaml.safe_load(written), changed("control", "tiny", 1e-05))
    assert len(description["sessions"]) == 2
    assert yaml.safe_load(yaml.safe_dump(description)) == description


def test_describing_leaves_what_it_was_given_alone() -> None:
    configuration, existing = deepcopy(CONFIGURATION), describe({}, CONFIGURATION)
    before = deepcopy(existing)
    describe(existing, configuration)
    assert existing == before
    assert configuration == CONFIGURATION


@pytest.mark.parametrize(
    ("node", "key"), [("control", "max_turn"), ("franka_bridge", "workspace_min")]
)
def test_a_run_from_before_a_limit_there_is_now_goes_on_and_from_then_on_keeps_it(
    node: str, key: str
) -> None:
    old, now = (
        changed("franka_bridge", "top_speed", 0.45),
        changed("franka_bridge", "top_speed", 0.45),
    )
    now[node][key] = 0.5
    description = describe(describe({}, old), now)
    assert description["configuration"][node][key] == 0.5
    assert description["configuration_sha256"] == configuration_digest(description["configuration"])
    now[node][key] = 0.6

    with pytest.raises(ConfigError, match=f"{node}.{key} was 0.5, is 0.6"):
        describe(description, now)


def test_a_run_of_before_there_were_cameras_in_hands_goes_on_without_one_and_not_with_one() -> None:
    before = {"camera": {"crop_size": 0}, "sim_bridge": {"timestep": 0.005}, "collector": {}}
    now = {
        "camera": {"crop_size": 0, "eye_in_hand": False},
        "sim_bridge": {"timestep": 0.005, "wrist": False},
        "collector": {"wrist": False},
    }
    first = describe({}, before)
    assert len(describe(first, now)["sessions"]) == 2
    with_one = {**now, "sim_bridge": {"timestep": 0.005, "wrist": True}}
    with pytest.raises(ConfigError, match=r"sim_bridge\.wrist was False, is True"):
        describe(first, with_one)
