from dataclasses import replace

import pytest
from wayfarer_common import contract
from wayfarer_core import names
from wayfarer_ros2_control.interfaces import REQUIRED, TARGET, Endpoint, Required, missing

ALL = {
    driver: [Endpoint(required.role, required.name, required.type) for required in of]
    for driver, of in REQUIRED.items()
}
EACH = [(driver, required) for driver, of in REQUIRED.items() for required in of]


def ids(value: object) -> str:
    return value.name if isinstance(value, Required) else str(value)


def without(driver: str, required: Required) -> list[Endpoint]:
    return [endpoint for endpoint in ALL[driver] if endpoint.name != required.name]


@pytest.mark.parametrize("driver", REQUIRED)
def test_nothing_is_missing_when_all_is_there(driver: str) -> None:
    assert missing(driver, ALL[driver], 1) == []


@pytest.mark.parametrize(("driver", "required"), EACH, ids=ids)
def test_what_is_missing_is_named_with_its_owner(driver: str, required: Required) -> None:
    assert missing(driver, without(driver, required), 1) == [
        f"no {required.role} of {required.name} ({required.owner} should be it)"
    ]  # fmt: skip


@pytest.mark.parametrize(("driver", "required"), EACH, ids=ids)
def test_another_type_is_named(driver: str, required: Required) -> None:
    other = Endpoint(required.role, required.name, "std_msgs/msg/String")
    (complaint,) = missing(driver, [*without(driver, required), other], 1)
    assert f"has type std_msgs/msg/String, must be {required.type}" in complaint
    assert missing(driver, [*ALL[driver], other], 1) == [], (
        "somebody else may listen or speak there as well"
    )


@pytest.mark.parametrize(
    ("driver", "required"), [e for e in EACH if e[1].role == "publisher"], ids=ids
)
def test_a_publisher_that_our_reliable_subscriptions_would_not_hear_is_named(
    driver: str, required: Required
) -> None:
    deaf = [replace(endpoint, reliable=endpoint.name != required.name) for endpoint in ALL[driver]]
    (complaint,) = missing(driver, deaf, 1)
    assert complaint.endswith("is best effort, must be reliable")


@pytest.mark.parametrize("driver", REQUIRED)
def test_a_second_commander_is_named(driver: str) -> None:
    assert missing(driver, ALL[driver], 2) == [
        f"{TARGET} has 2 publishers, must have control alone"
    ]


@pytest.mark.parametrize(("driver", "required"), EACH, ids=ids)
def test_the_types_are_those_of_the_contract_but_for_the_two_that_are_translated(
    driver: str, required: Required
) -> None:
    types = {
        topic.name: f"{topic.type.__module__.split('.')[0]}/msg/{topic.type.__name__}"
        for topic in contract.TOPICS
    }
    types[names.ERROR_RECOVERY] = "franka_msgs/action/ErrorRecovery"
    if driver == "multipanda_ros2":
        types[names.ERROR_RECOVERY] = "franka_msgs/srv/ErrorRecovery"
        types["robot/robot_state"] = "franka_msgs/msg/FrankaState"

    assert types[required.contract] == required.type
