"""Trains the policy.

After each episode it makes gradient steps on the replay buffer and publishes new weights.
"""

import array
from pathlib import Path

import torch
from rclpy.action import ActionServer, GoalResponse
from rclpy.action.server import ServerGoalHandle
from wayfarer_common import contract
from wayfarer_common.params import declare
from wayfarer_common.run import RESULT_TIMEOUT, ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, WayfarerError
from wayfarer_data.cache.buffer import RunBuffer
from wayfarer_msgs.action import Train
from wayfarer_msgs.msg import Weights
from wayfarer_policies.algorithms.networks import compute_device, weights_to_bytes
from wayfarer_policies.algorithms.td3 import TD3
from wayfarer_policies.exploration.learners import Checkpointed
from wayfarer_policies.exploration.making import make_learner, make_rnd
from wayfarer_policies.exploration.methods import learner_file, novelty_file
from wayfarer_policies.exploration.threads import ACTING_THREADS, computing_threads

from wayfarer_learner.params import Params

_FEEDBACK_EVERY = 10  # updates


class Learner(ContractNode):
    """Offers learner/train; publishes learner/weights."""

    def __init__(self) -> None:
        super().__init__("learner")
        p = declare(self, Params)
        if not p.run:
            raise ConfigError("node learner: parameter run is empty: name the directory of the run")

        torch.set_num_threads(ACTING_THREADS)
        self._threads = p.threads
        device = compute_device(p.device)
        run_path = Path(p.run)
        rnd = make_rnd(p.seed, device)
        self._buffer = RunBuffer(run_path, device)
        learner = make_learner(p.method, p.seed, device, rnd, p)
        self._learner = Checkpointed(learner, learner_file(run_path), rnd, novelty_file(run_path))

        # make_learner builds only TD3
        self._algorithm: TD3 = learner.algorithm  # type: ignore[assignment]
        self._weights = self.publish_to(contract.WEIGHTS)
        self._training = False
        self._server = ActionServer(
            self,
            Train,
            names.TRAIN,
            self._execute,
            goal_callback=self._on_goal,
            # rcl accepts fractions of a second, too
            result_timeout=RESULT_TIMEOUT,  # type: ignore[arg-type]
        )

        if self._learner.episodes_learned:
            self._publish()

    def _on_goal(self, _: Train.Goal) -> GoalResponse:
        return GoalResponse.REJECT if self._training else GoalResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> Train.Result:  # type: ignore[type-arg]
        self._training = True
        result = Train.Result()
        try:
            if handle.request.steps:
                metrics = await self.in_thread(lambda: self._train(handle))
                self._publish()
                result.names, result.values = list(metrics), array.array("f", metrics.values())

            result.success = True
        except WayfarerError as error:
            result.message = f"{type(error).__name__}: {error}"
            self.get_logger().error(result.message)
        finally:
            self._training = False

        result.version = result.episodes_learned = self._learner.episodes_learned
        handle.succeed()

        return result

    def _train(self, handle: ServerGoalHandle) -> dict[str, float]:  # type: ignore[type-arg]
        def report(updates: int) -> None:
            self.counts["updates"] += 1
            if updates % _FEEDBACK_EVERY == 0:
                handle.publish_feedback(Train.Feedback(updates=updates))

        with computing_threads(self._threads):
            return self._learner.update(self._buffer.open(), handle.request.steps, progress=report)

    def _publish(self) -> None:
        data, digest = weights_to_bytes(self._algorithm.actor())
        message = Weights(version=self._learner.episodes_learned, sha256=digest, data=data)
        message.header.stamp = self.get_clock().now().to_msg()
        self._weights.publish(message)


def main() -> None:
    """Run the node."""
    run(Learner)
