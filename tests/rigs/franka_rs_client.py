"""Tests a simulated Panda with a client that shares no code with libfranka; prints JSON.

.venv/rig/bin/python tests/rigs/franka_rs_client.py 127.0.0.1
"""

import argparse
import json
import os
import time

os.environ["FRANKA_REALTIME"] = "ignore"

import franka
import numpy as np

HAND = {"m_total": 0.73, "F_x_Ctotal": [-0.01, 0.0, 0.03]}
WAY = np.array([0.0, 0.08, 0.05])  # m
TURN = np.array([0.2, 0.0, 0.0, 0.1, 0.0, 0.0, 0.3])  # rad
SETTLED = 1.5  # s


def cartesian(robot: "franka.Robot", backend: str, mode: str) -> float:
    """Move the hand there and back; return its error [mm]."""
    limits = {"max_velocity": 0.3, "max_acceleration": 0.8, "max_jerk": 20.0}
    with robot.cartesian_targets(backend=backend, controller_mode=mode, **limits) as arm:
        begin = np.array(arm.state().O_T_EE)[:3, 3]
        arm.move_by(WAY)
        time.sleep(SETTLED)
        away = np.array(arm.state().O_T_EE)[:3, 3] - begin - WAY
        arm.move_by(-WAY)
        time.sleep(SETTLED)

    return 1e3 * float(np.linalg.norm(away))


def joints(robot: "franka.Robot", backend: str) -> float:
    """Move the joints there and back; return their error [rad]."""
    with robot.joint_targets(fraction=0.3, backend=backend) as arm:
        begin = np.array(arm.state().q)
        arm.move_by(TURN)
        time.sleep(SETTLED)
        away = np.array(arm.state().q) - begin - TURN
        arm.move_by(-TURN)
        time.sleep(SETTLED)

    return float(np.abs(away).max())


def main() -> None:
    """Connect, read, move by every interface, and use the hand."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host")
    robot = franka.Robot(parser.parse_args().host)
    state = robot.read_once()
    robot.set_collision_behavior_simple([40.0] * 7, [40.0] * 7, [40.0] * 6, [40.0] * 6)
    found = {
        "fci_version": robot.fci_version,
        "gravity": robot.model().gravity(state.q, **HAND).tolist(),
        "tau_J": np.array(state.tau_J).tolist(),
        "pose_difference": float(
            np.abs(robot.model().pose("ee", state.q, F_T_EE=state.F_T_EE) - state.O_T_EE).max()
        ),
        "cartesian_mm": {
            "torques": cartesian(robot, "impedance", "cartesian_impedance"),
            "pose, Cartesian impedance": cartesian(robot, "robot", "cartesian_impedance"),
            "pose, joint impedance": cartesian(robot, "robot", "joint_impedance"),
        },
        "joints_rad": {"torques": joints(robot, "impedance"), "positions": joints(robot, "robot")},
    }
    hand = robot.gripper()
    found["hand"] = [hand.homing(), hand.move(0.06, 0.1), hand.grasp(0.03, 0.1, 20.0)]
    found["width"] = float(hand.read_once().width)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
