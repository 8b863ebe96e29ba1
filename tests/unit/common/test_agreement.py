import re

import pytest
from wayfarer_common.agreement import check_agreement
from wayfarer_core.errors import ConfigError

CONTROL = {"workspace_min": [0.36, -0.35, -0.08], "workspace_max": (0.8, 0.35, 0.388)}
OTHER = {"workspace_min": [0.36, -0.35, 0.05], "workspace_max": [0.8, 0.35, 0.388]}


@pytest.mark.parametrize("asks", ["ee_position", "goal_ee_position"])
def test_a_policy_that_takes_positions_scales_them_by_controls_box(asks: str) -> None:
    check_agreement({"control": CONTROL, "learner": {**CONTROL, asks: True}})
    words = (
        "learner.workspace_min is [0.36, -0.35, 0.05], control.workspace_min is [0.36, -0.35, "
        "-0.08]"
    )
    with pytest.raises(ConfigError, match=re.escape(words)):
        check_agreement({"control": CONTROL, "learner": {**OTHER, asks: True}})


def test_who_takes_no_positions_needs_no_box() -> None:
    check_agreement(
        {"control": CONTROL, "learner": {**OTHER, "ee_position": False, "goal_ee_position": False}}
    )
    check_agreement({"control": CONTROL})


def test_a_bridge_keeps_to_controls_box_and_orientation() -> None:
    control = {**CONTROL, "orientation": [1.0, 0.0, 0.0, 0.0]}
    check_agreement({"control": control, "franka_bridge": {**control, "top_speed": 0.45}})
    check_agreement({"control": control, "franka_bridge": {}})  # with ros2_control
    for other in ({**control, **OTHER}, {**control, "orientation": [0.0, 1.0, 0.0, 0.0]}):
        with pytest.raises(ConfigError, match="the bridge would refuse what control commands"):
            check_agreement({"control": control, "franka_bridge": other})


def test_a_wish_moves_the_arm_for_half_a_control_period_at_most() -> None:
    control = {**CONTROL, "control_period": 0.5}
    actor = {"teleop_device": "gamepad", "command_age": 0.25}
    check_agreement({"control": control, "actor": actor})
    check_agreement({"control": control, "actor": {"teleop_device": "none", "command_age": 2.0}})

    with pytest.raises(
        ConfigError, match=r"actor.command_age is 0.3 s, more than half .* give 0.25 s or less"
    ):
        check_agreement({"control": control, "actor": {**actor, "command_age": 0.3}})


def test_the_gripper_is_part_of_the_action_for_all_nodes_or_for_none() -> None:
    on = {"gripper_width": 0.08}
    check_agreement({"control": on, "actor": on, "sim_bridge": on, "learner": on})
    check_agreement({"control": CONTROL, "franka_bridge": {}})
    for other in ("actor", "learner", "sim_bridge", "franka_bridge"):
        with pytest.raises(ConfigError, match=f"{other}.gripper_width is 0.0, control.gripper_w"):
            check_agreement({"control": on, other: {"gripper_width": 0.0}})


def test_a_sweep_is_refused_where_a_gripper_may_hold_something() -> None:
    with pytest.raises(ConfigError, match="does not put down what the gripper holds"):
        check_agreement({"control": {"gripper_width": 0.08}, "collector": {"scene_reset": "sweep"}})
