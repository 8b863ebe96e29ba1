from hypothesis import given
from hypothesis import strategies as st
from wayfarer_replay.arrivals import Arrivals

FINAL = 1000


def complete(steps: int) -> Arrivals:
    """Everything of an episode of `steps` steps whose observations have the stamps 10, 20, 30, ...

    And FINAL.
    """
    stamps = {k: 10 * (k + 1) for k in range(steps)}
    seen = {*stamps.values(), FINAL}
    return Arrivals(images=set(seen), actions=stamps, executed=set(range(steps)), poses=seen)


def test_an_episode_of_which_everything_has_arrived_has_lost_nothing() -> None:
    assert complete(5).lost(5, FINAL) == 0


def test_an_episode_of_no_steps_has_lost_nothing() -> None:
    assert Arrivals().lost(0, 0) == 0


def test_a_missing_executed_record_loses_its_step() -> None:
    arrivals = complete(5)
    arrivals.executed.remove(2)
    assert arrivals.lost(5, FINAL) == 1


def test_a_missing_image_loses_the_step_from_it_and_the_step_to_it() -> None:
    arrivals = complete(5)
    arrivals.images.remove(30)
    assert arrivals.lost(5, FINAL) == 2


def test_a_missing_first_image_loses_one_step() -> None:
    arrivals = complete(5)
    arrivals.images.remove(10)
    assert arrivals.lost(5, FINAL) == 1


def test_a_missing_final_image_loses_the_last_step() -> None:
    arrivals = complete(5)
    arrivals.images.remove(FINAL)
    assert arrivals.lost(5, FINAL) == 1


def test_a_missing_pose_loses_the_step_from_it_and_the_step_to_it() -> None:
    arrivals = complete(5)
    arrivals.poses.remove(30)
    assert arrivals.lost(5, FINAL) == 2
    arrivals.poses.add(27)  # published at another rate than the images
    assert arrivals.lost(5, FINAL) == 0
    arrivals.poses -= {FINAL, 50}  # silent to the end
    assert arrivals.lost(5, FINAL) == 2


def test_a_missing_action_loses_its_step_and_the_one_before_it() -> None:
    arrivals = complete(5)
    del arrivals.actions[3]
    assert arrivals.lost(5, FINAL) == 2


def test_steps_that_were_announced_but_never_seen_are_lost() -> None:
    assert complete(5).lost(8, FINAL) == 4  # 5, 6 and 7, and 4, whose successor is not known
    assert Arrivals().lost(3, FINAL) == 3


@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 8)), st.sets(st.integers(0, 7)))
def test_a_step_counts_once_however_much_of_it_is_missing(
    actions: set[int], images: set[int], executed: set[int]
) -> None:
    arrivals = complete(8)
    stamps = [arrivals.actions[k] for k in range(8)] + [FINAL]
    for k in actions:
        del arrivals.actions[k]

    for k in images:
        arrivals.images.remove(stamps[k])

    arrivals.executed -= executed
    expected = {
        k
        for k in range(8)
        if k in actions or k + 1 in actions or k in images or k + 1 in images or k in executed
    }
    assert arrivals.lost(8, FINAL) == len(expected)


def test_the_final_observation_is_the_first_image_after_the_last_action() -> None:
    arrivals = complete(3)
    arrivals.images |= {31, 2000}
    assert arrivals.after_last_action() == 31


def test_without_an_image_after_the_last_action_there_is_no_final_observation() -> None:
    assert Arrivals().after_last_action() == 0
    assert Arrivals(images={10, 20}, actions={0: 10, 1: 20}).after_last_action() == 0


def test_two_episodes_do_not_share_what_has_arrived() -> None:
    first = Arrivals()
    first.images.add(1)
    assert Arrivals().images == set()


def test_a_state_beside_that_is_published_is_waited_for_to_the_end_and_one_that_is_not_is_not() -> (
    None
):
    arrivals = complete(5)
    assert not arrivals.behind(FINAL)
    arrivals.beside["sim/object_pose"] = FINAL - 1
    assert arrivals.behind(FINAL)
    arrivals.beside["sim/object_pose"] = FINAL
    assert not arrivals.behind(FINAL)


def test_a_missing_image_of_the_wrist_loses_its_steps_only_where_there_is_such_a_camera() -> None:
    arrivals = complete(5)
    arrivals.wrist = {*arrivals.images}
    assert arrivals.lost(5, FINAL) == 0
    arrivals.wrist.remove(30)
    assert arrivals.lost(5, FINAL) == 2
    arrivals.wrist.add(27)  # a camera with a clock of its own
    assert arrivals.lost(5, FINAL) == 0
    arrivals.wrist = set()
    assert arrivals.lost(5, FINAL) == 5
    arrivals.wrist = None
    assert arrivals.lost(5, FINAL) == 0
