import numpy as np
import pytest
from numpy.typing import NDArray
from wayfarer_core.options import ActingOptions
from wayfarer_policies.acting.learned_policy import LearnedPolicy
from wayfarer_policies.acting.policy import PolicyGoal, RobotState, Start
from wayfarer_policies.algorithms.networks import EncoderConfig
from wayfarer_policies.algorithms.td3 import TD3, TD3Config

IMAGE = np.full((36, 36, 3), 90, np.uint8)
HERE, THERE = np.zeros(3), np.full(3, 0.5)
GOAL = PolicyGoal(IMAGE, THERE)


def policy(ee_position: bool = False, **options: object) -> LearnedPolicy:
    quiet = {"random_steps": 0, "noise_start": 0.0, "noise_end": 0.0, "noise_steps": 1}
    made = LearnedPolicy(ActingOptions(**{**quiet, **options}))  # type: ignore[arg-type]
    encoder = EncoderConfig(6, 36, 36, (4, 4, 4), 8, ee_position=ee_position)
    made.offer(TD3(TD3Config(encoder)).actor(), 4)

    return made


def played(
    made: LearnedPolicy, places: list[NDArray[np.float64]], explore: bool = True
) -> list[bool]:
    """Which of an episode's actions are not the network's, which gives the same for the same
    image.
    """
    made.begin_episode(Start(np.random.default_rng(0), GOAL, explore=False))
    own = made.act(IMAGE, RobotState(HERE))
    made.begin_episode(Start(np.random.default_rng(0), GOAL, explore, steps=len(places)))
    return [bool((made.act(IMAGE, RobotState(place)) != own).any()) for place in places]


def test_the_papers_policy_goes_on_as_before_at_its_goal() -> None:
    assert not any(played(policy(), [HERE, THERE, THERE, HERE]))


def test_after_arrival_it_plays_to_the_end_of_the_episode() -> None:
    made = policy(after_arrival="play", arrival_distance=0.1)
    assert played(made, [HERE, HERE, THERE, HERE, HERE, HERE]) == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]
    assert played(made, [HERE, HERE]) == [False, False]  # the next episode begins anew


def test_after_arrival_it_plays_for_a_while_and_returns() -> None:
    made = policy(after_arrival="return", arrival_distance=0.1, play_steps=2)
    assert played(made, [HERE, THERE, HERE, HERE, THERE, THERE, HERE]) == [
        False,
        True,
        True,
        False,
        True,
        True,
        False,
    ]


def test_it_plays_from_a_share_of_the_episode_on() -> None:
    assert played(policy(play_from=0.5), [HERE] * 6) == [False] * 3 + [True] * 3


def test_a_share_of_its_actions_is_random() -> None:
    assert np.mean(played(policy(random_share=0.3), [HERE] * 400)) == pytest.approx(0.3, abs=0.07)


def test_it_only_plays_when_it_explores() -> None:
    made = policy(after_arrival="play", arrival_distance=0.1, random_share=1.0, play_from=0.0)
    assert not any(played(made, [THERE] * 4, explore=False))


def test_the_first_steps_of_a_run_are_random_and_so_are_those_before_there_are_weights() -> None:
    made = policy(random_steps=3)
    assert played(made, [HERE] * 5) == [True, True, True, False, False]
    fresh = LearnedPolicy(ActingOptions(random_steps=0))
    fresh.begin_episode(Start(np.random.default_rng(0), GOAL))
    assert (fresh.act(IMAGE, RobotState(HERE)) != fresh.act(IMAGE, RobotState(HERE))).any()
    assert fresh.version == 0


def test_it_needs_the_pose_of_the_image_where_the_network_or_the_arrival_asks_for_it() -> None:
    assert not policy().needs_pose
    assert policy(ee_position=True).needs_pose
    assert policy(after_arrival="play").needs_pose


def test_new_weights_act_from_the_next_episode_on() -> None:
    made = policy()
    made.begin_episode(Start(np.random.default_rng(0), GOAL))
    made.offer(TD3(TD3Config(EncoderConfig(6, 36, 36, (4, 4, 4), 8), seed=1)).actor(), 5)
    assert made.version == 4
    made.begin_episode(Start(np.random.default_rng(0), GOAL))
    assert made.version == 5
