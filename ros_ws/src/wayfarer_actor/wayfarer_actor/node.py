"""The policy's node: during an episode it answers each observation with an action.

Between episodes it publishes nothing.
"""

import time
from array import array
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from sensor_msgs.msg import Image, JointState
from wayfarer_bags.joints import arm_joints, gripper_width
from wayfarer_common import contract
from wayfarer_common.conversions import image_to_array, position_of, quaternion_of, to_nanoseconds
from wayfarer_common.params import declare
from wayfarer_common.run import RESULT_TIMEOUT, ContractNode, run
from wayfarer_common.teleop import ENDINGS, Command, Mark, Teleoperator
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, DataError, PolicyError, WayfarerError
from wayfarer_core.fault import FaultKind
from wayfarer_core.options import NO_DEVICE
from wayfarer_core.reason import Reason, nothing_passed
from wayfarer_core.targets import action_size
from wayfarer_msgs.action import RunEpisode
from wayfarer_msgs.msg import Action, Episode, ExecutedAction, Fault, TeleopCommand, Weights
from wayfarer_policies.acting.learned_policy import LearnedPolicy
from wayfarer_policies.acting.policy import Policy, PolicyGoal, RobotState, Start
from wayfarer_policies.acting.scripts import SCRIPTS, Box, ScriptedPolicy
from wayfarer_policies.algorithms.networks import compute_device, weights_from_bytes
from wayfarer_policies.exploration.making import Making, make_policy
from wayfarer_policies.exploration.methods import method
from wayfarer_policies.exploration.threads import ACTING_THREADS

from wayfarer_actor.params import Params

_TICK = 0.1  # s, period of the checks of deadlines and of feedback


@dataclass
class Running:
    """The running episode."""

    handle: ServerGoalHandle  # type: ignore[type-arg]
    policy: Policy
    begun: bool = False  # true once its weights have arrived
    result: RunEpisode.Result | None = None  # set at its end
    step: int = 0
    last: bool = False  # the last action has been sent
    awaited: bool = False  # it waits until the person at the device starts it
    # how the person ended it; the next observation is then the last
    ending: tuple[int, str] | None = None
    answered: int = -1  # ns, stamp of the last observation that was used
    last_event: float = 0.0  # monotonic s


class Actor(ContractNode):
    """Offers policy/run_episode; answers observation/image by policy/action."""

    def __init__(self) -> None:
        super().__init__("actor")
        self._params = declare(self, Params)
        p = self._params
        torch.set_num_threads(ACTING_THREADS)
        device = compute_device(p.device)
        self._size = action_size(p.gripper_width)
        told = Making(p, p.checkpoint, p.checkpoint_sha256, device, external=p, size=self._size)
        self._policy = make_policy(method(p.method).policy, told)
        self._weights_version = 0
        self._running: Running | None = None
        self._latest: Image | None = None
        self._unanswered: Image | None = None  # an observation that waits for the robot's pose
        self._faults: dict[str, Fault] = {}  # topic -> its last message
        self._robot = RobotState(np.zeros(3))
        self._pose_stamp, self._joints_stamp = -1, -1  # ns
        self._action = self.publish_to(contract.POLICY_ACTION)
        self.subscribe_to(contract.OBSERVATION_IMAGE, self._on_observation)

        for topic in (contract.CONTROL_FAULT, contract.CAMERA_FAULT):
            self.subscribe_to(topic, partial(self._on_fault, topic.name))

        wrist = contract.WRIST_FAULT  # of a camera that few have
        self.subscribe_to(wrist, partial(self._on_fault, wrist.name), required=False)
        self.subscribe_to(contract.EXECUTED, self._on_executed)
        self.subscribe_to(contract.CURRENT_POSE, self._on_pose)
        if self._policy.needs_joints:
            self.subscribe_to(contract.JOINT_STATES, self._on_joints)

        if isinstance(self._policy, LearnedPolicy):
            self.subscribe_to(contract.WEIGHTS, self._on_weights)

        self._by_hand = method(p.method).by_hand
        self._person = Teleoperator(p, self._size)
        if p.teleop_device != NO_DEVICE:
            self.subscribe_to(contract.TELEOP_COMMAND, self._on_command)
        elif self._by_hand:
            raise ConfigError(
                f"node actor: method {p.method} needs a device: give the parameter teleop_device"
            )

        self._server = ActionServer(
            self,
            RunEpisode,
            names.RUN_EPISODE,
            self._conclude,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._accept,
            cancel_callback=self._on_cancel,
            # rcl accepts fractions of a second, too
            result_timeout=RESULT_TIMEOUT,  # type: ignore[arg-type]
        )
        self.create_timer(_TICK, self._on_tick, clock=self.steady)

    def _on_goal(self, request: RunEpisode.Goal) -> GoalResponse:
        if self._running is not None or request.steps == 0 or request.policy not in ("", *SCRIPTS):
            choices = ", ".join(SCRIPTS)
            self.get_logger().error(
                f"goal rejected: an episode is running, or 0 steps, or a policy not of {choices}"
            )

            return GoalResponse.REJECT

        return GoalResponse.ACCEPT

    def _on_cancel(self, _: ServerGoalHandle) -> CancelResponse:  # type: ignore[type-arg]
        self._end(Episode.ABORTED, "cancelled")
        return CancelResponse.ACCEPT

    def _accept(self, handle: ServerGoalHandle) -> None:  # type: ignore[type-arg]
        """Begin an episode, or wait for its weights. `execute` is called only at its end.

        A coroutine that awaited the end would be polled by rclpy as fast as it can, which would
        waste a core.
        """
        script: str = handle.request.policy
        try:
            policy = self._scripted(script) if script else self._policy
            awaited = self._by_hand and not script
            self._running = Running(handle, policy, last_event=time.monotonic(), awaited=awaited)
            self._begin()
        except WayfarerError as error:  # rclpy would only log it
            self.fail(error)

    def _begin(self) -> None:
        run_ = self._running
        if run_ is None or run_.begun or run_.awaited or run_.result is not None:
            return

        goal: RunEpisode.Goal = run_.handle.request
        if self._weights_version < goal.policy_version:
            return

        self._person.begin_episode(time.time())
        start = Start(
            rng=np.random.default_rng([goal.seed, goal.episode, goal.attempt]),
            goal=_goal_of(goal),
            explore=goal.explore,
            first_step=goal.first_step,
            steps=goal.steps,
        )
        try:
            run_.policy.begin_episode(start)
        except PolicyError as error:
            self._give_up(error)
            return

        run_.begun = True
        for fault in self._faults.values():
            self._abort_for(fault)

        if self._latest is not None and self._age(self._latest) <= self._params.max_age:
            self._consider(self._latest)

    def _conclude(self, handle: ServerGoalHandle) -> RunEpisode.Result:  # type: ignore[type-arg]
        run_, self._running = self._running, None
        if handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.succeed()

        return run_.result if run_ is not None else RunEpisode.Result(end=Episode.ABORTED)

    def _scripted(self, name: str) -> Policy:
        p = self._params
        box = Box(p.workspace_min, p.workspace_max, p.action_scale)
        return ScriptedPolicy(name, box, self._size)

    def _on_fault(self, topic: str, message: Fault) -> None:
        """End the episode with the fault.

        The policy must not act while robot or camera have a fault.
        """
        self._faults[topic] = message
        self._abort_for(message)

    def _abort_for(self, fault: Fault) -> None:
        if fault.kind != Fault.NONE:
            self._end(Episode.ABORTED, fault.text, fault=FaultKind(fault.kind))

    def _on_executed(self, message: ExecutedAction) -> None:
        """End the episode if an action was not commanded.

        For a robot's fault control/fault gives more details.
        """
        run_ = self._running
        if run_ is None or message.commanded or message.reasons & Reason.ROBOT_ERROR:
            return

        goal: RunEpisode.Goal = run_.handle.request
        if to_nanoseconds(message.header.stamp) >= to_nanoseconds(goal.not_before):
            self._end(
                Episode.ABORTED, nothing_passed(Reason(message.reasons)), fault=FaultKind.OTHER
            )

    def _on_observation(self, message: Image) -> None:
        self._latest = message
        self.counts["observations"] += 1
        self._consider(message)

    def _on_pose(self, message: PoseStamped) -> None:
        hand = {
            "ee_position": position_of(message.pose),
            "ee_orientation": quaternion_of(message.pose),
        }
        self._robot = replace(self._robot, **hand)
        self._pose_stamp = to_nanoseconds(message.header.stamp)
        self._reconsider()

    def _on_joints(self, message: JointState) -> None:
        places = list(arm_joints(tuple(message.name)))
        if not places or not len(message.position) == len(message.velocity) == len(message.name):
            return

        felt = {"joint_positions": message.position, "joint_velocities": message.velocity}
        hand = {name: np.array(values)[places] for name, values in felt.items()}
        width = gripper_width(tuple(message.name), message.position)
        self._robot = replace(self._robot, **hand, gripper_width=np.array([width]))
        self._joints_stamp = to_nanoseconds(message.header.stamp)
        self._reconsider()

    def _reconsider(self) -> None:
        if self._unanswered is not None:
            self._consider(self._unanswered)

    def _waits_for_the_robot(self, policy: Policy, stamp: int) -> bool:
        """Say whether a policy needs robot data for a time [ns] that have not arrived yet."""
        if policy.needs_pose and self._pose_stamp < stamp:
            return True

        # some robots never publish joints
        return (
            policy.needs_joints
            and self._joints_stamp < stamp
            and self.count_publishers(contract.JOINT_STATES.name) > 0
        )

    def _on_weights(self, message: Weights) -> None:
        """Take new weights for the next episode.

        Unusable weights end the node, so that it does not act on with the old ones.
        """
        self._policy.offer(weights_from_bytes(bytes(message.data), message.sha256), message.version)  # type: ignore[attr-defined]
        self.counts["weights"] += 1
        self._weights_version = message.version
        self._begin()

    def _on_command(self, message: TeleopCommand) -> None:
        """Take a person's command.

        An invalid command is ignored; the arm then holds, as if the device were silent.
        """
        try:
            stamp = to_nanoseconds(message.header.stamp) * 1e-9
            action = np.asarray(message.action)
            command = Command(stamp, action, message.engaged, message.mark, message.gripper)
        except DataError as error:
            self.counts["commands refused"] += 1
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)
            return

        self._person.hear(command)
        self._heed(command.mark)

    def _heed(self, mark: Mark) -> None:
        """Start the episode that waits for the person, or end the running one.

        It ends at once, or with the next image.
        """
        run_ = self._running
        if (
            run_ is None
            or run_.result is not None
            or mark is Mark.NONE
            or run_.handle.request.policy
        ):
            return

        if run_.awaited and mark.begins:
            run_.awaited, run_.last_event = False, time.monotonic()
            self._begin()
        elif mark in ENDINGS and run_.step > 0:  # before the first step there is nothing to judge
            run_.ending = ENDINGS[mark]
            if mark is Mark.DISCARD:
                self._end(*run_.ending)

    def _abort_for_loss(self) -> None:
        """End the episode if the device is lost while the person has control."""
        run_ = self._running
        if run_ is None or not run_.begun or run_.ending is not None:
            return

        in_hand = self._person.engaged or (self._by_hand and not run_.handle.request.policy)
        if in_hand and self._person.lost(time.time()):
            self._end(Episode.ABORTED, self._person.loss(time.time()), fault=FaultKind.CONNECTION)

    def _consider(self, observation: Image) -> None:
        """Answer an observation of the running episode.

        The observation after the last action ends the episode.

        A policy that needs pose or joints waits for those at the observation's time, or the first
        ones after it.
        """
        self._unanswered = None
        run_ = self._running
        stamp = to_nanoseconds(observation.header.stamp)
        if run_ is None or not run_.begun or run_.result is not None or stamp <= run_.answered:
            return
        if self._waits_for_the_robot(run_.policy, stamp):
            self._unanswered = observation
            return

        goal: RunEpisode.Goal = run_.handle.request
        if stamp < to_nanoseconds(goal.not_before):
            return

        run_.answered = stamp
        run_.last_event = time.monotonic()
        if run_.ending is not None:
            self._end(*run_.ending, observation)
            return

        if run_.last:
            end = "time limit" if run_.step == goal.steps else "through"
            self._end(Episode.TRUNCATED, end, observation)
            return

        message = Action(header=observation.header, episode=goal.episode, step=run_.step)
        message.header.frame_id = names.BASE_FRAME
        try:  # ask the policy even while a person acts
            own = run_.policy.act(image_to_array(observation), self._robot)
        except PolicyError as error:
            self._give_up(error)
            return

        action, message.source = self._person.answer(own, time.time())
        message.action = array("f", action)
        message.policy_version = run_.policy.version
        run_.step += 1
        through = isinstance(run_.policy, ScriptedPolicy) and run_.policy.finished
        run_.last = message.last = through or run_.step == goal.steps
        self._action.publish(message)
        self.counts["actions"] += 1
        self.counts["actions by hand"] += message.source == Action.HUMAN

    def _give_up(self, error: PolicyError) -> None:
        """End the episode because the policy gave no action.

        Control holds the arm, and the next episode asks the policy again.
        """
        self.get_logger().error(str(error))
        self._end(Episode.ABORTED, str(error), fault=FaultKind.POLICY)

    def _on_tick(self) -> None:
        run_ = self._running
        if run_ is None or run_.result is not None:
            return

        run_.handle.publish_feedback(RunEpisode.Feedback(step=run_.step))
        if run_.awaited:
            return

        self._abort_for_loss()
        if time.monotonic() - run_.last_event > self._params.observation_timeout:
            goal: RunEpisode.Goal = run_.handle.request
            missing = "observation" if run_.begun else f"weights of version {goal.policy_version}"
            reason = f"no {missing} for {self._params.observation_timeout} s"
            self._end(Episode.ABORTED, reason, fault=FaultKind.CONNECTION)

    def _end(
        self, end: int, reason: str, final: Image | None = None, fault: FaultKind = FaultKind.NONE
    ) -> None:
        run_ = self._running
        if run_ is None or run_.result is not None:
            return

        run_.result = RunEpisode.Result(
            steps=run_.step,
            end=end,
            reason=reason,
            fault=int(fault),
            policy_version=run_.policy.version,
        )
        if final is not None:
            run_.result.final_stamp = final.header.stamp

        run_.handle.execute()

    def _age(self, observation: Image) -> float:
        return (
            self.get_clock().now().nanoseconds - to_nanoseconds(observation.header.stamp)
        ) * 1e-9


def _goal_of(request: RunEpisode.Goal) -> PolicyGoal | None:
    if not request.goal.data:
        return None
    return PolicyGoal(image_to_array(request.goal), np.array(request.goal_ee_position))


def main() -> None:
    """Run the node."""
    run(Actor)
