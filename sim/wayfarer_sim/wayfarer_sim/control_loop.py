"""The inner loop of the cube world: sense, compute torques, step. One pass per physics timestep."""

import mujoco
import numpy as np

from wayfarer_sim.cube_env import HOME_JOINTS
from wayfarer_sim.osc import Array, osc_torques

JOINTS = 7  # of the arm, first among the model's positions, velocities and actuators
# grip site to libfranka's O_T_EE
R_SITE_EE = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
# the fixed orientation of the hand, xyzw (1, 0, 0, 0)
R_WORLD_EE_DOWN = np.diag([1.0, -1.0, -1.0])


class ControlLoop:
    """The arm under operational-space control towards a position, gripper down.

    It keeps its work arrays between calls.

    Args:
        model: the compiled world.
        data: its state, read and stepped.
        site: id of the controlled site.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, site: int) -> None:
        self.model, self.data, self.site = model, data, site
        self.jacobian = np.zeros((6, model.nv))
        self.inertia = np.zeros((model.nv, model.nv))
        self.q_home = np.array(HOME_JOINTS)
        self.torque_range = np.array(model.actuator_ctrlrange[:JOINTS])

    def run(self, p_world_target: Array, steps: int) -> None:
        """Drive the site towards a position (3,) [m] in the world frame for a number of
        timesteps.
        """
        model, data, site = self.model, self.data, self.site

        # views, as all below
        p_site, R_site = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
        q, dq, bias, torques = (
            data.qpos[:JOINTS],
            data.qvel[:JOINTS],
            data.qfrc_bias[:JOINTS],
            data.ctrl[:JOINTS],
        )
        J, M = self.jacobian[:, :JOINTS], self.inertia[:JOINTS, :JOINTS]
        R_target = R_WORLD_EE_DOWN @ R_SITE_EE.T

        for _ in range(steps):
            mujoco.mj_step1(model, data)
            mujoco.mj_jacSite(model, data, self.jacobian[:3], self.jacobian[3:], site)
            mujoco.mj_fullM(model, self.inertia, data.qM)
            torques[:] = osc_torques(
                p_world_target - p_site,
                R_site,
                R_target,
                J,
                M,
                bias,
                q,
                dq,
                self.q_home,
                self.torque_range,
            )
            mujoco.mj_step2(model, data)
