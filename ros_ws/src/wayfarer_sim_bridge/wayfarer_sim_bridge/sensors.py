"""The sensors of the simulated world.

Messages are built once and refilled, because they are large and the loop is fast.
"""

from collections.abc import Callable

import numpy as np
from franka_msgs.msg import FrankaRobotState
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, JointState
from tf2_msgs.msg import TFMessage
from wayfarer_common import contract
from wayfarer_common.contract import FIXED, WRIST, CameraTopics
from wayfarer_common.conversions import array_to_image, base_pose, standing_transform, to_stamp
from wayfarer_common.run import ContractNode
from wayfarer_core import names
from wayfarer_sim.cube_world import CubeWorld

Vector = NDArray[np.float64]


class Sensors:
    """Publishes camera, robot state and the cube's true pose, all with the given stamp."""

    def __init__(
        self,
        node: ContractNode,
        world: CubeWorld,
        size: tuple[int, int],
        wrist: bool,
        with_gripper: bool,
    ) -> None:
        """Pictures are of `size`, width and height [pixels]; `wrist`: the hand's camera, too.

        `with_gripper`: the fingers are joints like the others.
        """
        self._world, self._with_gripper = world, with_gripper
        self._eye = SimulatedCamera(node, FIXED, size, world.render, world.camera_intrinsics(*size))
        self._wrist = (
            SimulatedCamera(node, WRIST, size, world.render_wrist, world.wrist_intrinsics(*size))
            if wrist
            else None
        )
        self._pose = node.publish_to(contract.CURRENT_POSE)
        self._joints = node.publish_to(contract.JOINT_STATES)
        self._robot = node.publish_to(contract.ROBOT_STATE)
        self._object = node.publish_to(contract.OBJECT_POSE)
        fingers = world.finger_names if with_gripper else ()
        self._joint_message = JointState(name=[*world.joint_names, *fingers])
        self._robot_message = FrankaRobotState(
            robot_mode=FrankaRobotState.ROBOT_MODE_MOVE, control_command_success_rate=1.0
        )
        standing = [standing_transform(names.CAMERA_FRAME, world.T_base_camera)]
        if wrist:
            hand = names.END_EFFECTOR_FRAME
            standing.append(standing_transform(names.WRIST_FRAME, world.T_ee_wrist, hand))

        self._frames = node.publish_to(contract.TF_STATIC)
        for frame in standing:
            self._frames.publish(TFMessage(transforms=[frame]))

    def publish_state(self, stamp: int) -> None:
        """Publish the poses of arm and cube; `stamp` in nanoseconds."""
        pose = base_pose(*self._world.ee_pose, stamp)
        joints = self._joint_message
        joints.header.stamp = pose.header.stamp
        felt = self._world.felt_by_joints(self._with_gripper)
        joints.position, joints.velocity, joints.effort = (values.tolist() for values in felt)
        self._pose.publish(pose)
        self._joints.publish(joints)
        self._object.publish(base_pose(*self._world.cube_pose, stamp))

    def publish_robot_state(self, stamp: int) -> None:
        """Publish the arm's state as libfranka would report it; `stamp` in nanoseconds."""
        robot = self._robot_message
        robot.o_t_ee = base_pose(*self._world.ee_pose, stamp)
        robot.header = robot.o_t_ee.header
        robot.measured_joint_state = self._joint_message
        robot.time = self._world.time
        self._robot.publish(robot)

    def publish_image(self, stamp: int) -> None:
        """Render and publish the cameras' images of one time; `stamp` in nanoseconds."""
        self._eye.publish(stamp)  # first: the policy uses it while the next is rendered
        if self._wrist is not None:
            self._wrist.publish(stamp)


class SimulatedCamera:
    """A simulated camera: publishes each image with its intrinsics."""

    def __init__(
        self,
        node: ContractNode,
        where: CameraTopics,
        size: tuple[int, int],
        render: Callable[[int, int], NDArray[np.uint8]],
        K: NDArray[np.float64],
    ) -> None:
        """`render` returns an image of `size`, width and height; `K` is its matrix (3, 3)."""
        self._size, self._frame, self._render = size, where.frame, render
        self._image, self._info = (node.publish_to(topic) for topic in (where.image, where.info))
        width, height = size
        info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
        info.header.frame_id = where.frame
        info.k = K.flatten().tolist()
        info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        info.p = [*K[0], 0.0, *K[1], 0.0, *K[2], 0.0]
        self._info_message = info

    def publish(self, stamp: int) -> None:
        """Render and publish; `stamp` in nanoseconds."""
        image = array_to_image(self._render(*self._size), to_stamp(stamp), self._frame)
        self._image.publish(image)
        self._info_message.header.stamp = image.header.stamp
        self._info.publish(self._info_message)
