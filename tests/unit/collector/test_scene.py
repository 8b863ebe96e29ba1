import threading
from typing import Any

import pytest
import yaml
from wayfarer_collector.params import SCENES
from wayfarer_collector.scene import (
    NoScene,
    OperatorScene,
    ScriptedScene,
    Surroundings,
    box_of,
    make_scene,
)
from wayfarer_collector.waiting import RefusedError, SilenceError, Waiter
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, DeviceError
from wayfarer_core.fault import FaultKind
from wayfarer_msgs.action import RunEpisode
from wayfarer_msgs.msg import Episode
from wayfarer_msgs.srv import Reset

BOX = {"workspace_min": [0.3, -0.2, 0.0], "workspace_max": [0.7, 0.2, 0.3], "action_scale": 0.1}
CONFIGURATION = yaml.safe_dump({"actor": BOX, "control": {**BOX, "max_speed": 0.4}})


class Robot:
    """Stands for the other nodes: notes what it is told."""

    def __init__(
        self, end: int = Episode.TRUNCATED, silent: str = "", on_hold: Any = None, refused: str = ""
    ) -> None:
        self.waiter, self.timeout = Waiter(), 5.0
        self.fault, self.stopped = FaultKind.NONE, False  # stopped: by an operator, explicitly
        self.told: list[str] = []
        self.goals: list[RunEpisode.Goal] = []
        self._end, self._silent, self._on_hold, self._refused = end, silent, on_hold, refused

    def service(self, kind: Any, name: str, request: Any) -> Any:
        self.told.append(name)
        if name == self._silent:
            raise SilenceError(f"{name} gave no answer")
        if name == self._refused:
            raise RefusedError(f"{name}: not confirmed")

        if name == names.SCENE and request.data:
            self.fault = FaultKind.OPERATOR
            if self._on_hold:
                self._on_hold(self)
        elif name == names.SCENE and not self.stopped:
            self.fault = FaultKind.NONE

        response = kind.Response(success=True)
        if kind is Reset:
            response.stamp.sec = 7

        return response

    def action(self, name: str, goal: Any, timeout: float, tell: Any = None) -> Any:
        del timeout, tell
        self.told.append(name)
        self.goals.append(goal)
        if name == self._silent:
            raise SilenceError(f"{name} gave no answer")

        return RunEpisode.Result(end=self._end)


def around(
    robot: Robot, timeout: float = 30.0
) -> tuple[Surroundings, threading.Event, list[dict[str, str]]]:
    resumed, said = threading.Event(), []

    return (
        Surroundings(
            robot, lambda **news: said.append(news), lambda: robot.fault, resumed, timeout, 1.0
        ),
        resumed,
        said,
    )


def test_each_strategy_makes_its_scene() -> None:
    kinds = [type(make_scene(name, CONFIGURATION, around(Robot())[0])) for name in SCENES]
    assert kinds == [NoScene, OperatorScene, ScriptedScene, ScriptedScene]
    with pytest.raises(
        ConfigError, match="scene_reset 'magic' is not one of none, operator, sweep, home"
    ):
        make_scene("magic", CONFIGURATION, around(Robot())[0])


def test_none_touches_nothing() -> None:
    assert NoScene().reset()


def test_the_operator_finds_the_arm_at_home_and_holding_and_an_ack_goes_on() -> None:
    def ack_soon(robot: Robot) -> None:
        threading.Timer(0.2, lambda: setattr(robot, "fault", FaultKind.NONE)).start()

    robot = Robot(on_hold=ack_soon)
    surroundings, _, said = around(robot)
    assert OperatorScene(surroundings).reset()
    assert robot.told == [names.RESET, names.SCENE]
    assert said == [{"stage": "waiting", "detail": "put the scene back, then say `wayfarer ack`"}]


def test_a_resume_of_the_collector_lets_go_of_the_arm_as_well() -> None:
    robot = Robot(on_hold=lambda _: threading.Timer(0.2, lambda: resumed.set()).start())
    surroundings, resumed, _ = around(robot)
    resumed.set()  # an old word, said before it asked, counts for nothing
    assert OperatorScene(surroundings).reset()
    assert robot.told == [names.RESET, names.SCENE, names.SCENE]
    assert robot.fault is FaultKind.NONE


def test_a_resume_of_the_collector_does_not_lift_an_operators_stop() -> None:
    def stop_and_resume(robot: Robot) -> None:
        robot.stopped = True
        threading.Timer(0.2, lambda: resumed.set()).start()

    robot = Robot(on_hold=stop_and_resume)
    surroundings, resumed, said = around(robot, timeout=1.0)
    with pytest.raises(DeviceError, match="the arm was stopped, and nobody said `wayfarer ack`"):
        OperatorScene(surroundings).reset()

    assert robot.fault is FaultKind.OPERATOR
    assert "if the arm was stopped" in said[-1]["detail"]


def test_a_hold_that_is_not_confirmed_is_no_scene_to_put_hands_into() -> None:
    robot = Robot(refused=names.SCENE)
    surroundings, _, said = around(robot)
    assert not OperatorScene(surroundings).reset()
    assert said == []


def test_a_user_stop_is_no_word_that_the_scene_is_put_back() -> None:
    robot = Robot(
        on_hold=lambda r: threading.Timer(
            0.2, lambda: setattr(r, "fault", FaultKind.USER_STOP)
        ).start()
    )
    assert not OperatorScene(around(robot)[0]).reset()
    assert robot.told.count(names.SCENE) == 1


def test_a_stop_of_the_collector_leaves_the_arm_holding() -> None:
    robot = Robot(on_hold=lambda r: threading.Timer(0.2, r.waiter.stop).start())
    assert not OperatorScene(around(robot)[0]).reset()
    assert robot.fault is FaultKind.OPERATOR


def test_an_operator_who_does_not_come_ends_it_with_the_arm_holding() -> None:
    robot = Robot()
    with pytest.raises(DeviceError, match="nobody put the scene back"):
        OperatorScene(around(robot, timeout=0.2)[0]).reset()
    assert robot.fault is FaultKind.OPERATOR


def test_the_sweep_goes_home_and_runs_an_episode_of_its_own() -> None:
    robot = Robot()
    surroundings, _, said = around(robot)
    assert ScriptedScene("sweep", surroundings, box_of(CONFIGURATION)).reset()
    assert robot.told == [names.RESET, names.RUN_EPISODE]
    (goal,) = robot.goals
    assert (goal.policy, goal.not_before.sec, goal.explore) == ("sweep", 7, False)
    assert goal.steps > 50
    assert said == [{"stage": "resetting", "detail": "scripted motion: sweep"}]


@pytest.mark.parametrize(
    "robot",
    [Robot(end=Episode.ABORTED), Robot(silent=names.RESET), Robot(silent=names.RUN_EPISODE)],
)
def test_a_sweep_that_does_not_come_to_its_end_is_to_be_tried_again(robot: Robot) -> None:
    assert not ScriptedScene("sweep", around(robot)[0], box_of(CONFIGURATION)).reset()


@pytest.mark.parametrize("key", list(BOX))
def test_a_sweep_over_another_box_than_controls_is_refused(key: str) -> None:
    other = {**BOX, key: 0.05 if key == "action_scale" else [0.31, -0.1, 0.01]}
    with pytest.raises(ConfigError, match=f"a scripted motion would miss: actor.{key} is"):
        box_of(yaml.safe_dump({"actor": other, "control": BOX}))
