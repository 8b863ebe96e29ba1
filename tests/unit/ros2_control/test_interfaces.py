from dataclasses import replace

import pytest
from wayfarer_common import contract, names
from wayfarer_ros2_control.interfaces import REQUIRED, TARGET, Endpoint, Required, missing

ALL = [Endpoint(required.role, required.name, required.type) for required in REQUIRED]


def without(required: Required) -> list[Endpoint]:
    return [endpoint for endpoint in ALL if endpoint.name != required.name]


def test_nothing_is_missing_when_all_is_there() -> None:
    assert missing(ALL, 1) == []


@pytest.mark.parametrize("required", REQUIRED, ids=lambda r: r.name)
def test_what_is_missing_is_named_with_its_owner(required: Required) -> None:
    assert missing(without(required), 1) == [
        f"no {required.role} of {required.name} ({required.owner} should be it)"
    ]  # fmt: skip


@pytest.mark.parametrize("required", REQUIRED, ids=lambda r: r.name)
def test_another_type_is_named(required: Required) -> None:
    other = Endpoint(required.role, required.name, "std_msgs/msg/String")
    (complaint,) = missing([*without(required), other], 1)
    assert f"has type std_msgs/msg/String, must be {required.type}" in complaint
    assert missing([*ALL, other], 1) == [], "somebody else may listen or speak there as well"


@pytest.mark.parametrize("required", [r for r in REQUIRED if r.role == "publisher"], ids=lambda r: r.name)
def test_a_publisher_that_our_reliable_subscriptions_would_not_hear_is_named(required: Required) -> None:
    deaf = [replace(endpoint, reliable=endpoint.name != required.name) for endpoint in ALL]
    (complaint,) = missing(deaf, 1)
    assert complaint.endswith("is best effort, must be reliable")


def test_a_second_commander_is_named() -> None:
    assert missing(ALL, 2) == [f"{TARGET} has 2 publishers, must have control alone"]


def test_the_types_are_those_of_the_contract() -> None:
    types = {
        topic.name: f"{topic.type.__module__.split('.')[0]}/msg/{topic.type.__name__}" for topic in contract.TOPICS
    }
    types[names.ERROR_RECOVERY] = "franka_msgs/action/ErrorRecovery"
    for required in REQUIRED:
        assert types[required.contract] == required.type
