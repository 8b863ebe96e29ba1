"""Scores the novelty of images.

It chooses each episode's goal, and is fitted to the latest episodes after each cycle.
"""

import time
from pathlib import Path
from typing import Any

import torch
from geometry_msgs.msg import PointStamped
from rclpy.action import ActionServer, GoalResponse
from rclpy.action.server import ServerGoalHandle
from sensor_msgs.msg import Image
from wayfarer_common import contract
from wayfarer_common.conversions import array_to_image, image_to_array
from wayfarer_common.params import declare
from wayfarer_common.run import RESULT_TIMEOUT, ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, WayfarerError
from wayfarer_data.cache.buffer import RunBuffer
from wayfarer_data.cache.layout import channels_first, channels_last
from wayfarer_msgs.action import FitNovelty
from wayfarer_msgs.msg import Novelty as Score
from wayfarer_msgs.srv import SelectGoal
from wayfarer_policies.algorithms.networks import compute_device
from wayfarer_policies.exploration.goals import CheckpointedNovelty, ImageNovelty, choice
from wayfarer_policies.exploration.making import make_rnd
from wayfarer_policies.exploration.methods import novelty_file
from wayfarer_policies.exploration.threads import ACTING_THREADS, computing_threads

from wayfarer_novelty.params import Params


class Novelty(ContractNode):
    """Offers novelty/select_goal and novelty/fit.

    Publishes novelty/goal, and novelty/score for the current image.
    """

    def __init__(self) -> None:
        super().__init__("novelty")
        self._params = declare(self, Params)
        if not self._params.run:
            raise ConfigError("node novelty: parameter run is empty: name the directory of the run")

        torch.set_num_threads(ACTING_THREADS)
        device = compute_device(self._params.device)
        run_path = Path(self._params.run)
        self._buffer = RunBuffer(run_path)
        self._rnd = make_rnd(self._params.seed, device, self._params)
        self._novelty = CheckpointedNovelty(
            ImageNovelty(self._rnd, choice("max"), 1, self._params.seed),
            novelty_file(run_path),
        )
        self._busy = False
        self._last_score = 0.0  # monotonic s
        self._goal = self.publish_to(contract.NOVELTY_GOAL)
        self._goal_position = self.publish_to(contract.GOAL_POSITION)
        self._score = self.publish_to(contract.NOVELTY_SCORE)

        if self._params.score_rate > 0.0:
            self.subscribe_to(contract.OBSERVATION_IMAGE, self._on_observation)

        self.offer(SelectGoal, names.SELECT_GOAL, self._on_select)
        self._server = ActionServer(
            self,
            FitNovelty,
            names.FIT_NOVELTY,
            self._execute,
            goal_callback=self._on_fit,
            # rcl accepts fractions of a second, too
            result_timeout=RESULT_TIMEOUT,  # type: ignore[arg-type]
        )

    def _on_observation(self, message: Image) -> None:
        """Score the current image, unless a goal choice or a fit is running."""
        if self._busy or time.monotonic() - self._last_score < 1.0 / self._params.score_rate:
            return

        self._last_score = time.monotonic()
        frame = channels_first(image_to_array(message))[None]  # (1, 3, H, W)
        self._score.publish(
            Score(header=message.header, novelty=float(self._rnd.novelty(frame)[0]))
        )
        self.counts["scores"] += 1

    async def _on_select(
        self, request: SelectGoal.Request, response: SelectGoal.Response
    ) -> SelectGoal.Response:
        try:
            self._busy = True
            goal = await self.in_thread(lambda: self._select(request))
        except WayfarerError as error:
            response.message = f"{type(error).__name__}: {error}"
            return response
        finally:
            self._busy = False

        pixels = channels_last(goal.image)  # (H, W, 3)
        response.goal = array_to_image(pixels, self.get_clock().now().to_msg(), names.CAMERA_FRAME)
        response.success, response.novelty = True, goal.novelty
        response.episode, response.step, response.ee_position = (
            goal.episode,
            goal.step,
            goal.ee_position,
        )
        self._goal.publish(response.goal)
        self._goal_position.publish(_position(response))
        self.counts["goals"] += 1

        return response

    def _select(self, request: SelectGoal.Request) -> Any:
        choose = choice(request.choice, self._params.top_share)
        chooser = ImageNovelty(self._rnd, choose, request.candidates, request.seed)
        with computing_threads(self._params.threads):
            goal = chooser.select_goal(self._buffer.open())

        if goal is None:
            raise ConfigError("the replay buffer is empty: collect an episode without a goal first")

        return goal

    def _on_fit(self, _: FitNovelty.Goal) -> GoalResponse:
        return GoalResponse.REJECT if self._busy else GoalResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> FitNovelty.Result:  # type: ignore[type-arg]
        result = FitNovelty.Result()
        try:
            if handle.request.epochs:
                self._busy = True
                metrics = await self.in_thread(lambda: self._fit(handle.request))
                result.loss_first, result.loss_last = (
                    metrics["rnd_loss_first"],
                    metrics["rnd_loss_last"],
                )

            result.success = True
        except WayfarerError as error:
            result.message = f"{type(error).__name__}: {error}"
            self.get_logger().error(result.message)
        finally:
            self._busy = False

        result.cycles_fitted = self._novelty.cycles_fitted
        handle.succeed()

        return result

    def _fit(self, request: FitNovelty.Goal) -> dict[str, float]:
        images = self._buffer.open().last(request.episodes)
        with computing_threads(self._params.threads):
            return self._novelty.fit(images, request.epochs)


def _position(chosen: SelectGoal.Response) -> PointStamped:
    """Return the end effector's position in the goal image, stamped with the time of the choice."""
    message = PointStamped()
    message.header.stamp, message.header.frame_id = chosen.goal.header.stamp, names.BASE_FRAME
    message.point.x, message.point.y, message.point.z = (float(v) for v in chosen.ee_position)
    return message


def main() -> None:
    """Run the node."""
    run(Novelty)
