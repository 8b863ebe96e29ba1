import numpy as np
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Workspace
from wayfarer_report.view.scene import Scene

WORKSPACE = Workspace(np.array([0.3, -0.2, 0.0]), np.array([0.7, 0.2, 0.4]), action_scale=0.1)
HERE, ASKED = np.array([0.5, 0.0, 0.2]), np.array([1.0, -1.0, 2.0])
TARGET = np.array([0.6, -0.1, 0.3])


def scene(workspace: Workspace | None = WORKSPACE) -> Scene:
    made = Scene()
    made.workspace = workspace
    for stamp, position in ((1, HERE + 1.0), (5, HERE), (9, HERE - 1.0)):
        made.moved(stamp, position)
    return made


def test_an_action_that_is_done_as_it_was_meant_leaves_a_target_alone() -> None:
    it = scene()
    it.executed(5, ASKED, TARGET, Reason(0))
    assert it.target is TARGET
    assert it.wanted is None


def test_a_changed_action_is_measured_from_the_first_pose_at_or_after_its_observation() -> None:
    for stamp in (2, 5):
        it = scene()
        it.executed(stamp, ASKED, TARGET, Reason.ACTION_RANGE | Reason.WORKSPACE)
        assert it.wanted is not None
        np.testing.assert_allclose(it.wanted.position, [0.6, -0.1, 0.4])
        assert (it.wanted.reasons, it.wanted.refused) == (
            Reason.ACTION_RANGE | Reason.WORKSPACE,
            False,
        )


def test_a_refused_action_is_shown_and_the_target_stays() -> None:
    it = scene()
    it.executed(5, ASKED, TARGET, Reason(0))
    it.executed(5, ASKED, None, Reason.STALE)
    assert it.target is TARGET
    assert it.wanted is not None
    assert it.wanted.refused


def test_the_next_action_takes_what_was_refused_away() -> None:
    it = scene()
    it.executed(5, ASKED, None, Reason.STALE)
    it.executed(5, ASKED, TARGET, Reason(0))
    assert it.wanted is None


def test_what_cannot_be_placed_is_not_shown() -> None:
    for it, stamp, asked in (
        (scene(workspace=None), 5, ASKED),
        (scene(), 10, ASKED),
        (scene(), 5, np.array([np.nan, 0.0, 0.0])),
    ):
        it.executed(stamp, asked, None, Reason.NOT_FINITE)
        assert it.wanted is None
