import os
import sys
from pathlib import Path

import pytest
from wayfarer_common import surroundings
from wayfarer_common.surroundings import domain_of, namespace_of, settle, use_own_rmw
from wayfarer_core.errors import ConfigError


def at_home(folder: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(folder), **variables}


# --- the domain ---


@pytest.mark.parametrize(
    ("text", "domain"), [("0", 0), ("7", 7), ("101", 101), ("232", 232), ("", 0)]
)
def test_a_domain_is_what_ros_takes_it_for(text: str, domain: int) -> None:
    assert domain_of({"ROS_DOMAIN_ID": text}) == domain
    assert domain_of({}) == 0


@pytest.mark.parametrize(
    "text", ["abc", "-1", "233", " 5", "1.0", "²", "010", "0x10", "5 ", "99999999999999999999"]
)
def test_a_domain_that_ros_refuses_or_reads_as_another_is_refused(text: str) -> None:
    with pytest.raises(
        ConfigError, match=f"^ROS_DOMAIN_ID={text!r} must be a number from 0 to 232$"
    ):
        settle({"ROS_DOMAIN_ID": text})


# --- who may hear whom ---


@pytest.mark.parametrize(
    ("reach", "words"),
    [
        ("OFF", "no node would find another"),
        ("localhost", "ROS does not know it"),
        ("x", "not know"),
    ],
)
def test_a_discovery_range_with_which_nothing_would_work_is_refused(
    tmp_path: Path, reach: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=f"ROS_AUTOMATIC_DISCOVERY_RANGE={reach}: .*{words}"):
        settle(at_home(tmp_path, ROS_AUTOMATIC_DISCOVERY_RANGE=reach))


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET", "SYSTEM_DEFAULT"])
def test_a_discovery_range_of_ros_is_left_as_it_is(tmp_path: Path, reach: str) -> None:
    environment = at_home(tmp_path, ROS_AUTOMATIC_DISCOVERY_RANGE=reach)
    settle(environment)
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == reach


def test_an_empty_discovery_range_does_not_open_dds_to_the_subnet(tmp_path: Path) -> None:
    environment = at_home(tmp_path, ROS_AUTOMATIC_DISCOVERY_RANGE="")
    settle(environment)
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


# --- logs ---


def closed(folder: Path) -> Path:
    """A place where not even root can write."""
    (folder / "file").touch()
    return folder / "file"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "HOME is not set"),
        ({"HOME": ""}, "HOME is not set"),
        ({"HOME": "{closed}"}, "HOME is {closed}, where nothing can be written"),
        (
            {"HOME": "{open}", "ROS_HOME": "{closed}"},
            "ROS_HOME is {closed}, where nothing can be written",
        ),
        (
            {"HOME": "{open}", "ROS_LOG_DIR": "{closed}/x"},
            "ROS_LOG_DIR is {closed}/x, where nothing can be written",
        ),
    ],
)
def test_where_ros_has_no_place_for_its_logs_it_gets_one_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], variables: dict[str, str], words: str
) -> None:
    places = {"closed": closed(tmp_path), "open": tmp_path}
    environment = {name: value.format(**places) for name, value in variables.items()}
    settle(environment)
    said = capsys.readouterr().err
    assert said == f"note: {words.format(**places)}: ROS logs go to {environment['ROS_LOG_DIR']}\n"
    assert os.access(environment["ROS_LOG_DIR"], os.W_OK)
    settle(environment)
    assert capsys.readouterr().err == "", "it is said once"
    Path(environment["ROS_LOG_DIR"]).rmdir()


def test_where_ros_can_write_its_logs_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = at_home(tmp_path / "new")
    settle(environment)
    assert environment == at_home(tmp_path / "new")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["RCUTILS_LOGGING_USE_STDOUT", "RCUTILS_COLORIZED_OUTPUT"])
def test_a_switch_of_the_logs_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    settle(at_home(tmp_path, **{name: "1"}))
    with pytest.raises(ConfigError, match=f"{name}=maybe must be 0 or 1"):
        settle(at_home(tmp_path, **{name: "maybe"}))


def test_keys_are_refused_where_dds_has_no_security(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ROS_SECURITY_ENABLE=true: only an installed ROS"):
        settle(at_home(tmp_path, ROS_SECURITY_ENABLE="true"))
    settle(at_home(tmp_path, ROS_SECURITY_ENABLE="false"))


# --- the middleware ---


def test_a_middleware_that_the_wheels_lack_is_given_up_with_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    use_own_rmw(environment)
    assert environment == {}
    assert capsys.readouterr().err == (
        f"note: RMW_IMPLEMENTATION=rmw_cyclonedds_cpp is not installed in {sys.prefix}: "
        "rmw_fastrtps_cpp is used\n"
    )


@pytest.mark.parametrize(
    "environment", [{}, {"RMW_IMPLEMENTATION": ""}, {"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}]
)
def test_a_middleware_that_is_there_is_kept(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(environment)
    use_own_rmw(environment)
    assert environment == before
    assert capsys.readouterr().err == ""


def test_an_installed_ros_chooses_its_middleware_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings.sys, "prefix", "/usr")
    environment = {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    use_own_rmw(environment)
    assert environment == {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}


# --- namespaces ---


@pytest.mark.parametrize(
    ("text", "namespace"),
    [("", ""), ("/", ""), ("arm", "/arm"), ("/lab/arm_2/", "/lab/arm_2"), ("a//b", "/a/b")],
)
def test_a_namespace_begins_with_a_slash_and_ends_without(text: str, namespace: str) -> None:
    assert namespace_of(text) == namespace


@pytest.mark.parametrize("text", ["my arm", "2024", "a/2", "a-b", "ä", "a:b", "~", "{a}"])
def test_what_ros_takes_for_no_namespace_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"namespace .* is none: its parts"):
        namespace_of(text)
