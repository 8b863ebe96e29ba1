"""The inner loop without ROS.

World, camera, policy and safety gate in turn; all messages go into the bag.

Order and numbers are those of the nodes in lock-step, so that both ways give the
same episodes.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import End
from wayfarer_camera.params import Params as CameraParams
from wayfarer_core import names, topics
from wayfarer_core.calibration import load_optional
from wayfarer_core.errors import DeviceError, PolicyError, WayfarerError
from wayfarer_core.fault import TRIES, FaultKind, tried_in_vain
from wayfarer_core.reason import nothing_passed
from wayfarer_core.safety import Decision, Limits, Pose, Situation, Workspace, decide
from wayfarer_core.targets import CLOSED
from wayfarer_data.cache.layout import channels_last
from wayfarer_policies.acting.policy import Policy, PolicyGoal, RobotState, Start
from wayfarer_policies.exploration.goals import Goal
from wayfarer_policies.exploration.methods import method
from wayfarer_report.view.scene import Scene
from wayfarer_report.view.shapes import shapes_of
from wayfarer_sim.cube_world import CubeWorld, CubeWorldConfig
from wayfarer_vision.picture import Crop, Rectifier, observe

from wayfarer_in_process.bag import EpisodeRecording, Head, Recorder
from wayfarer_in_process.config import Configuration
from wayfarer_in_process.hand import DiscardedError, Hand

_HOMING = 5_000_000_000  # ns of simulated time for a reset, as in the bridge


class NothingPassedError(DeviceError):
    """The safety gate sent no command, not even a hold: the arm must go home."""


class StoppedError(WayfarerError):
    """A signal asked for an end."""


@dataclass
class Collected:
    """Finished episodes and steps of the run; randomness, noise and clock continue from them."""

    episodes: int
    steps: int


class ObservingCamera:
    """Turns an image into an observation: rectified, cropped, upright, 84x84."""

    def __init__(self, p: CameraParams) -> None:
        lens = load_optional(p.calibration)
        self._rectify = Rectifier(lens) if lens else None
        self.T_base_camera = lens.T_base_camera if lens else None  # (4, 4) [m], as it was found
        self._crop = Crop(p.crop_left, p.crop_top, p.crop_size, p.quarter_turns)

    def see(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the observation (84, 84, 3) of an image (H, W, 3)."""
        plain = self._rectify(pixels) if self._rectify else pixels
        return observe(plain, self._crop, names.OBSERVATION_SIZE)


class Arm:
    """World, cameras and safety gate, in lock-step.

    Collecting and evaluating share it.
    """

    def __init__(self, configuration: Configuration, now: int = 0) -> None:
        """`now` is the simulated time [ns]."""
        bridge, control = configuration.sim_bridge, configuration.control
        eye = load_optional(bridge.camera_calibration)
        self.world = CubeWorld(
            CubeWorldConfig(bridge.timestep, bridge.hide_robot, bridge.cube_xy_noise, eye)
        )
        self.now = now
        self.period_ns = round(bridge.control_period * 1e9)
        self._size, self._period = (bridge.image_width, bridge.image_height), bridge.control_period
        self._eye = ObservingCamera(configuration.camera)
        self._wrist = ObservingCamera(configuration.wrist_camera) if bridge.wrist else None
        self._limits = Limits(**{f.name: getattr(control, f.name) for f in fields(Limits)})
        self._last_stamp = -np.inf  # s

    @property
    def workspace(self) -> Workspace:
        """The safety gate's box, and the scale of an action."""
        low, high = np.array(self._limits.workspace_min), np.array(self._limits.workspace_max)
        return Workspace(low, high, self._limits.action_scale)

    @property
    def with_gripper(self) -> bool:
        """Whether the gripper is part of the action."""
        return self._limits.gripper_width > CLOSED

    def reset(self, seed: int) -> None:
        """Home the arm, reset the cube."""
        self.world.reset(seed)
        self.now += _HOMING

    def observe(self) -> NDArray[np.uint8]:
        """Return the present observation, (84, 84, 3)."""
        return self._eye.see(self.world.render(*self._size))

    def observe_wrist(self) -> NDArray[np.uint8] | None:
        """Return the image of the camera in the hand, (84, 84, 3); None without such a camera."""
        if self._wrist is None:
            return None
        return self._wrist.see(self.world.render_wrist(*self._size))

    @property
    def lens(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """K (3, 3) of the camera, and its width and height [pixel]."""
        return self.world.camera_intrinsics(*self._size), self._size

    @property
    def wrist_lens(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """The same of the camera in the hand."""
        return self.world.wrist_intrinsics(*self._size), self._size

    @property
    def eyes(self) -> list[tuple[str, str, NDArray[np.float64]]]:
        """For each camera: parent frame, its own frame, and its pose (4, 4) [m].

        The simulator's cameras, and the one at the table where a calibration has found it.
        """
        base, camera, found = names.BASE_FRAME, names.CAMERA_FRAME, self._eye.T_base_camera
        wrist = (names.END_EFFECTOR_FRAME, names.WRIST_FRAME, self.world.T_ee_wrist)

        return [
            (base, camera, self.world.T_base_camera),
            *([] if self._wrist is None else [wrist]),
            *([] if found is None else [(base, camera, found)]),
        ]

    def feel(self) -> RobotState:
        """Return the arm's present state."""
        world = self.world
        joints = world.joint_positions, world.joint_velocities
        if not self.with_gripper:
            return RobotState(*world.ee_pose, *joints)

        return RobotState(*world.ee_pose, *joints, np.array([world.gripper_width]))

    def judge(self, action: NDArray[np.float32]) -> Decision:
        """Let the safety gate look at the action (A,) that answers what is seen now."""
        stamp = self.now * 1e-9  # s, computed as in the control node
        pose = Pose(*self.world.ee_pose)
        situation = Situation(
            stamp, pose, robot_error=False, stopped=False, last_stamp=self._last_stamp
        )

        return decide(self._limits, action.astype(np.float64), stamp, situation)

    def follow(self, decision: Decision) -> None:
        """Move for one control period. Raises NothingPassedError."""
        if decision.target is None:
            raise NothingPassedError(nothing_passed(decision.reasons))
        self._last_stamp = self.now * 1e-9
        if self.with_gripper:
            self.world.grip(decision.grip, self._limits.gripper_width)

        self.world.advance(decision.target.position, self._period)
        self.now += self.period_ns


class InProcessRobot:
    """Runs episodes and records each in a file."""

    def __init__(
        self,
        configuration: Configuration,
        policy: Policy,
        recorder: Recorder,
        collected: Collected,
        tell: Callable[[int], None],
        hand: Hand,
    ) -> None:
        """`tell` gets the number of steps so far, and may raise StoppedError."""
        self._plan, self._policy, self._recorder, self._hand = (
            configuration.collector,
            policy,
            recorder,
            hand,
        )
        self._collected, self._tell = collected, tell
        self._arm = Arm(configuration)
        self._scene = Scene()
        self._scene.workspace = self._arm.workspace
        self._arm.now = collected.episodes * _HOMING + collected.steps * self._arm.period_ns

    def run_episode(self, goal: Goal | None) -> Any:
        """Return the end record of a closed file.

        An episode that the gate aborted stays recorded and is tried again.

        So is one that a person discarded, any number of times. Raises DeviceError if too many
        are aborted in a row, PolicyError if the policy does not answer: only the user could
        bring it back, and this process would have to wait.
        """
        failed = discarded = 0
        while failed < TRIES:
            try:
                return self._try_episode(goal, failed + discarded)
            except DiscardedError:
                failed, discarded = 0, discarded + failed + 1
            except NothingPassedError as error:
                failed, last = failed + 1, error

        raise DeviceError(tried_in_vain(str(last)))

    def _try_episode(self, goal: Goal | None, attempt: int) -> Any:
        plan = self._plan
        name, novelty = (goal.name, goal.novelty) if goal is not None else ("", float("nan"))
        head = Head(plan.method, plan.seed, plan.steps, self._collected.episodes, name, novelty)
        recording = self._recorder.begin(head, self._arm.now)
        self._say_what_stands(recording, goal)

        try:
            end, reason = self._act(recording, goal, attempt)
        except (DeviceError, PolicyError, StoppedError, DiscardedError) as error:
            recording.end(End.ABORTED, str(error), self._arm.now, _kind_of(error))
            raise

        record = recording.end(end, reason, self._arm.now)
        self._collected.episodes += 1
        self._collected.steps += recording.steps

        return record

    def close(self) -> None:
        """Free the renderer."""
        self._arm.world.close()

    def _act(self, recording: EpisodeRecording, goal: Goal | None, attempt: int) -> tuple[End, str]:
        """Reset, then act for T steps towards the goal, or until a person ends the episode.

        Return how it ended.
        """
        number = self._collected.episodes
        self._arm.reset(self._plan.seed + number)
        self._policy.begin_episode(
            Start(
                rng=np.random.default_rng([self._plan.seed, number, attempt]),
                goal=None if goal is None else _policy_goal(goal),
                explore=method(self._plan.method).explores,
                first_step=self._collected.steps,
                steps=self._plan.steps,
            )
        )
        self._hand.begin(
            lambda command: recording.command(command, self._arm.now), lambda: self._tell(0)
        )

        for step in range(self._plan.steps):
            image = self._observe(recording)
            self._tell(step)
            if step > 0 and self._hand.ending is not None:
                return self._hand.ending

            self._step(recording, image, last=step + 1 == self._plan.steps)
            self._hand.wait(partial(self._tell, step + 1))

        self._observe(recording)

        return self._hand.ending or (End.TRUNCATED, "time limit")

    def _say_what_stands(self, recording: EpisodeRecording, goal: Goal | None) -> None:
        """Record each camera's pose, and the scene before the reset."""
        for eye in self._arm.eyes:
            recording.standing_frame(*eye, self._arm.now)

        if goal is not None:
            self._scene.goal = goal.ee_position
        recording.scene(shapes_of(self._scene), self._arm.now)

    def _observe(self, recording: EpisodeRecording) -> NDArray[np.uint8]:
        """Record the present images and state; return the policy's observation, (84, 84, 3)."""
        arm = self._arm
        image = arm.observe()
        recording.image(image, arm.now)
        recording.lens(*arm.lens, arm.now)
        recording.pose(topics.CURRENT_POSE, *arm.world.ee_pose, arm.now)
        recording.frame(names.END_EFFECTOR_FRAME, *arm.world.ee_pose, arm.now)
        self._scene.moved(arm.now, arm.world.ee_pose[0])
        recording.pose(topics.OBJECT_POSE, *arm.world.cube_pose, arm.now)
        self._feel(recording)
        if (wrist := arm.observe_wrist()) is not None:
            recording.wrist_image(wrist, arm.now)
            recording.wrist_lens(*arm.wrist_lens, arm.now)

        return image

    def _feel(self, recording: EpisodeRecording) -> None:
        """Record the present joints."""
        world, with_gripper = self._arm.world, self._arm.with_gripper
        called = world.joint_names + (world.finger_names if with_gripper else ())
        recording.joints(called, *world.felt_by_joints(with_gripper), self._arm.now)

    def _step(self, recording: EpisodeRecording, image: NDArray[np.uint8], last: bool) -> None:
        """Answer an observation with an action, pass it through the gate, and follow for one
        control period.
        """
        arm = self._arm
        own = np.asarray(self._policy.act(image, arm.feel()), dtype=np.float32)  # (A,)
        action, source = self._hand.answer(own)
        recording.action(action, self._policy.version, last, arm.now, source)
        decision = arm.judge(action)
        recording.executed(action, decision, arm.now)
        target = decision.target.position if decision.target is not None else None
        self._scene.executed(arm.now, action.astype(float), target, decision.reasons)
        recording.scene(shapes_of(self._scene), arm.now)
        arm.follow(decision)


def _kind_of(error: WayfarerError) -> FaultKind:
    if isinstance(error, PolicyError):
        return FaultKind.POLICY
    return FaultKind.OTHER if isinstance(error, NothingPassedError) else FaultKind.NONE


def _policy_goal(goal: Goal) -> PolicyGoal:
    return PolicyGoal(channels_last(goal.image), goal.ee_position)
