"""A policy in another process: chunks are used up and asked for again.

Each fault is one error, for one episode.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from fixtures.policy_servers import FAULTS, Server, free_address, policy_server
from wayfarer_core.errors import ConfigError, PolicyError
from wayfarer_core.options import ExternalOptions
from wayfarer_policies.acting.policy import PolicyGoal, RobotState, Start
from wayfarer_serving.client import ExternalPolicy, Welcome, ask

HAND = np.array([0.5, 0.0, 0.1])
PATIENT = 60.0  # s: a busy machine may take its time


def start(seed: int = 0, goal: PolicyGoal | None = None) -> Start:
    return Start(np.random.default_rng(seed), goal=goal, steps=10)


def image(first: int) -> np.ndarray:
    pixels = np.zeros((84, 84, 3), np.uint8)
    pixels[0, 0, 0] = first
    return pixels


def policy(server: Server, timeout: float = PATIENT, **options: object) -> ExternalPolicy:
    return ExternalPolicy(
        ExternalOptions(policy_address=server.address, policy_timeout=timeout, **options)
    )


@pytest.mark.parametrize(
    ("used", "asked_at"),
    [(0, [0, 0, 0, 0, 4, 4]), (1, [0, 1, 2, 3, 4, 5]), (3, [0, 0, 0, 3, 3, 3])],
)
def test_so_many_actions_of_a_chunk_are_used_before_the_next_is_asked_for(
    used: int, asked_at: list[int]
) -> None:
    with policy_server() as server:
        acting = policy(server, policy_actions=used)
        acting.begin_episode(start())
        actions = np.array([acting.act(image(51 * (k % 2)), RobotState(HAND)) for k in range(6)])

    assert acting.version == 5
    assert actions.dtype == np.float32
    assert (actions[:, 0] * 100).round().astype(int).tolist() == asked_at

    # the image of the step that asked
    assert actions[:, 1] == pytest.approx([0.2 * (step % 2) for step in asked_at])
    assert actions[:, 2] == pytest.approx(0.5)


def test_joints_come_along_where_the_robot_tells_of_them() -> None:
    joints = np.array([0.1, 0.0, 0.0, -0.05, 0.0, 0.0, 0.2])
    robot = RobotState(HAND, joint_positions=joints, joint_velocities=np.zeros(7))
    with policy_server() as server:
        acting = policy(server)
        acting.begin_episode(start())
        assert acting.act(image(0), robot)[2] == pytest.approx(HAND[0] + 0.01 * joints.sum())


def test_an_episode_begins_with_a_new_chunk_and_takes_a_goal_along() -> None:
    with policy_server() as server:
        acting = policy(server)
        for where in (np.array([0.4, 0.0, 0.1]), np.full(3, np.nan)):
            acting.begin_episode(start(goal=PolicyGoal(image(7), where)))
            assert acting.act(image(0), RobotState(HAND))[0] == 0.0
            acting.act(image(0), RobotState(HAND))


def test_a_server_says_who_it_is_and_another_than_announced_is_refused() -> None:
    with policy_server() as server:
        assert ask(
            ExternalOptions(policy_address=server.address, policy_timeout=PATIENT)
        ) == Welcome("counting", 5)
        policy(server, policy_name="counting").begin_episode(start())
        with pytest.raises(PolicyError, match="it serves 'counting', announced was 'another'"):
            policy(server, policy_name="another").begin_episode(start())


@pytest.fixture(scope="module")
def faulty() -> Iterator[dict[str, str]]:
    """Address of a server of each kind."""
    with policy_server("faults") as servers:
        yield dict(zip(FAULTS, servers.addresses, strict=True))


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulty_server_is_one_error_that_names_it_and_what_is_wrong(
    kind: str, faulty: dict[str, str]
) -> None:
    timeout = 1.0 if FAULTS[kind][2] == "nothing came in time" else PATIENT
    acting = ExternalPolicy(ExternalOptions(policy_address=faulty[kind], policy_timeout=timeout))

    def acted() -> None:
        acting.begin_episode(start())
        acting.act(image(0), RobotState(HAND))

    with pytest.raises(PolicyError, match=re.escape(FAULTS[kind][2])) as caught:
        acted()

    assert faulty[kind] in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_late_answer_is_no_answer_and_the_wait_ends_with_the_deadline() -> None:
    with policy_server("late") as server:
        acting = policy(server, timeout=2.0)
        acting.begin_episode(start())
        acting.act(image(0), RobotState(HAND))
        began = time.monotonic()
        with pytest.raises(PolicyError, match="nothing came in time"):
            acting.act(image(0), RobotState(HAND))

        assert 2.0 <= time.monotonic() - began < 20.0


def test_a_dead_server_is_told_and_one_that_came_back_is_asked_by_the_next_episode() -> None:
    with policy_server() as server:
        acting = policy(server, policy_actions=1)
        acting.begin_episode(start())
        acting.act(image(0), RobotState(HAND))
        server.kill()

        with pytest.raises(PolicyError, match="the connection"):
            acting.act(image(0), RobotState(HAND))

        with pytest.raises(PolicyError, match="the connection of this episode is closed"):
            acting.act(image(0), RobotState(HAND))

        with pytest.raises(PolicyError, match="nobody answers"):
            acting.begin_episode(start())

        with policy_server() as another:
            acting._options = ExternalOptions(
                policy_address=another.address, policy_timeout=PATIENT
            )
            acting.begin_episode(start())
            acting.act(image(0), RobotState(HAND))


def test_an_address_must_be_told_and_be_of_this_machine() -> None:
    with pytest.raises(ConfigError, match="policy_address must say where the policy server is"):
        ExternalPolicy(ExternalOptions())

    with pytest.raises(ConfigError, match="only this machine's own"):
        ExternalPolicy(ExternalOptions(policy_address="10.0.0.1:5555"))

    with pytest.raises(PolicyError, match="nobody answers"):
        ask(ExternalOptions(policy_address=free_address(), policy_timeout=PATIENT))


def test_a_run_with_a_gripper_asks_for_four_numbers_and_a_server_that_makes_three_is_refused() -> (
    None
):
    with policy_server() as server:
        options = ExternalOptions(policy_address=server.address, policy_timeout=PATIENT)
        four = ExternalPolicy(options, size=4)
        four.begin_episode(start())
        with pytest.raises(PolicyError, match=r"made no actions \(n, 4\)"):
            four.act(image(0), RobotState(np.zeros(3)))


def test_a_server_is_told_the_size_of_actions_and_the_width_of_the_gripper() -> None:
    code = """
import sys
import numpy as np
from wayfarer_serving.server import serve
class Gripping:
    name, version = "gripping", 0
    def begin(self, episode): self.size = episode.action
    def act(self, seen): return [[seen.gripper_width[0], 0, 0, -1.0][: self.size]]
serve(Gripping(), "127.0.0.1:0", end_with_input=True)
"""
    words = [sys.executable, "-c", code]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("listening on ").strip()
        options = ExternalOptions(policy_address=address, policy_timeout=PATIENT)
        asked = ExternalPolicy(options, size=4)
        asked.begin_episode(start())
        felt = RobotState(np.zeros(3), gripper_width=np.array([0.0625]))
        assert asked.act(image(0), felt).tolist() == [0.0625, 0.0, 0.0, -1.0]
    finally:
        process.kill()
        process.communicate(timeout=30.0)
