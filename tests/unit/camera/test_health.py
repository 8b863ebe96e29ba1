from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_camera.health import Health, Thresholds

LIMITS = Thresholds(
    silence=2.0,
    min_rate=5.0,
    rate_window=4.0,
    frozen_after=2.0,
    black_level=8.0,
    black_after=1.0,
    max_stamp_age=0.5,
    stale_after=1.0,
)
NOISE = np.random.default_rng(0).integers(100, 200, (7, 24, 32, 3), dtype=np.uint8)
BLACK = np.random.default_rng(0).integers(0, 8, (7, 24, 32, 3), dtype=np.uint8)


class Camera:
    """A camera whose clocks the test moves.

    `ros` and `steady` seconds pass together unless told otherwise.
    """

    def __init__(self, limits: Thresholds = LIMITS) -> None:
        self.health = Health(limits)
        self.ros, self.steady, self.count = 100.0, 7.0, 0

    def wait(self, seconds: float, ros: float = 1.0, steady: float = 1.0) -> None:
        """Let time pass in ticks of a tenth of a second, as the node has them."""
        for _ in range(round(seconds * 10)):
            self.ros += 0.1 * ros
            self.steady += 0.1 * steady
            self.health.tick(self.ros, self.steady)

    def show(self, pixels: NDArray[np.uint8] | None = None, age: float = 0.01) -> None:
        self.count += 1
        shown = NOISE[self.count % 7] if pixels is None else pixels
        self.health.picture(shown, self.ros - age, self.ros, self.steady)

    def spoil(self, why: str = "image of 0x0 pixels") -> None:
        self.health.unusable(why, self.ros, self.steady)

    def film(
        self, seconds: float, pixels: NDArray[np.uint8] | None = None, age: float = 0.01
    ) -> None:
        """Ten pictures a second."""
        for _ in range(round(seconds * 10)):
            self.wait(0.1)
            self.show(pixels, age)

    @property
    def problem(self) -> str:
        return self.health.problem()


def test_a_camera_that_films_is_well() -> None:
    camera = Camera()
    for _ in range(20):
        camera.film(1.0)
        assert camera.problem == ""


def test_silence_is_reported_from_the_start_and_ends_with_the_next_pictures() -> None:
    camera = Camera()
    camera.wait(1.9)
    assert camera.problem == ""
    camera.wait(0.3)
    assert camera.problem == "no picture for more than 2 s"
    camera.film(6.0)
    assert camera.problem == ""
    camera.wait(2.2)
    assert camera.problem == "no picture for more than 2 s"


def test_identical_pictures_are_frozen_only_after_a_while_and_one_other_pixel_ends_it() -> None:
    camera = Camera()
    camera.film(5.0)
    camera.film(1.8, NOISE[0])
    assert camera.problem == ""
    camera.film(0.5, NOISE[0].copy())
    assert camera.problem.startswith("frozen: all pictures identical for more than 2 s")
    other = NOISE[0].copy()
    other[3, 4, 1] += 1
    camera.film(0.1, other)
    assert camera.problem == ""


def test_a_simulator_may_show_the_same_for_ever() -> None:
    camera = Camera(replace(LIMITS, frozen_after=0.0))
    camera.film(60.0, NOISE[0])
    assert camera.problem == ""


def test_dark_pictures_are_black_and_one_light_one_ends_it() -> None:
    camera = Camera()
    camera.film(5.0)
    for k in range(15):
        camera.film(0.1, BLACK[k % 7])

    assert camera.problem == "black: pictures darker than 8 for more than 1 s"
    camera.show()
    assert camera.problem == ""


def test_old_stamps_are_stale_only_when_they_stay_so() -> None:
    camera = Camera()
    camera.film(5.0)
    camera.film(0.5, age=0.8)
    assert camera.problem == ""
    camera.film(1.0, age=0.8)
    assert camera.problem.startswith("stale: stamps older than 0.5 s by the node's clock")
    camera.show(age=0.4)
    assert camera.problem == ""


def test_too_few_pictures_are_reported_once_a_whole_window_has_passed() -> None:
    camera = Camera()
    for second in range(12):
        camera.wait(0.5)
        camera.show()
        assert camera.problem == (
            "slow: less than 5 pictures a second over 4 s" if second >= 8 else ""
        ), second

    camera.film(4.1)
    assert camera.problem == ""


def test_several_ills_are_told_together() -> None:
    camera = Camera()
    camera.film(5.0)
    camera.film(3.0, BLACK[0], age=3.0)
    assert [part.split(":")[0] for part in camera.problem.split("; ")] == [
        "frozen",
        "black",
        "stale",
    ]


def test_the_words_stay_the_same_while_the_problem_does() -> None:
    camera = Camera()
    camera.film(5.0)
    heard = set()
    for _ in range(30):
        camera.film(0.1, BLACK[0])
        heard.add(camera.problem)

    assert len(heard) == 3  # nothing, black, frozen and black


def test_lock_step_never_misleads_it_while_the_learner_works_and_when_the_clock_jumps() -> None:
    camera = Camera(replace(LIMITS, frozen_after=0.0))
    for _ in range(5):  # episodes
        for _ in range(200):  # steps of 0.5 simulated seconds that take a hundredth
            camera.ros += 0.5
            camera.steady += 0.01
            camera.show(NOISE[0], age=0.0)
            assert camera.problem == ""

        camera.wait(60.0, ros=0.0)  # the learner works
        assert camera.problem == ""
        camera.ros += 5.0  # the arm is put home
        camera.steady += 0.05
        camera.health.tick(camera.ros, camera.steady)
        assert camera.problem == ""
        camera.show(NOISE[0], age=5.0)  # and one picture was late
        assert camera.problem == ""


def test_a_slow_simulated_world_is_not_blamed_for_its_pace() -> None:
    camera = Camera(replace(LIMITS, min_rate=1.0))
    for _ in range(20):
        camera.wait(5.0, ros=0.1)  # five seconds of work for half a simulated second
        camera.show()
        assert camera.problem == ""


def test_a_node_that_was_itself_held_up_does_not_blame_the_camera() -> None:
    camera = Camera()
    camera.film(10.0)
    camera.ros += 30.0
    camera.steady += 30.0
    camera.health.tick(camera.ros, camera.steady)
    assert camera.problem == ""
    camera.film(5.0)
    assert camera.problem == ""


def test_a_clock_that_is_set_back_does_not_hide_a_silent_camera() -> None:
    camera = Camera()
    camera.film(10.0)
    camera.ros -= 3600.0
    camera.wait(2.5)
    assert camera.problem == "no picture for more than 2 s"


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 3.0),
            st.floats(0.0, 3.0),
            st.sampled_from(["wait", "good", "black", "stale"]),
        ),
        max_size=40,
    )
)
def test_whatever_the_clocks_do_a_well_second_of_pictures_makes_it_well(
    events: list[tuple[float, float, str]],
) -> None:
    camera = Camera(replace(LIMITS, min_rate=0.01))
    for ros, steady, kind in events:
        camera.ros += ros - 1.0  # also backwards
        camera.steady += steady
        if kind == "wait":
            camera.health.tick(camera.ros, camera.steady)
        else:
            camera.show(BLACK[0] if kind == "black" else None, age=9.0 if kind == "stale" else 0.0)

        assert isinstance(camera.problem, str)

    camera.film(1.0)
    assert camera.problem == ""


@pytest.mark.parametrize("age", [-5.0, 0.0])
def test_a_stamp_ahead_of_the_clock_is_not_stale(age: float) -> None:
    camera = Camera()
    camera.film(10.0, age=age)
    assert camera.problem == ""


# --- pictures that cannot be used ---


@pytest.mark.parametrize("count", [1, 5])
def test_a_few_pictures_of_no_use_are_no_fault(count: int) -> None:
    camera = Camera()
    for _ in range(10):
        for _ in range(count):
            camera.wait(0.1)
            camera.spoil()
            assert camera.problem == ""

        camera.film(1.5)
        assert camera.problem == ""


def test_the_first_picture_may_be_of_no_use_however_late_the_camera_is() -> None:
    camera = Camera()
    camera.wait(1.9)
    camera.spoil()
    camera.film(1.0)
    assert camera.problem == ""


def test_useless_pictures_alone_are_a_fault_that_names_the_first_and_ends_with_a_good_one() -> None:
    camera = Camera()
    camera.film(1.0)
    for k in range(30):
        camera.wait(0.1)
        camera.spoil(f"picture {k} is bad")

    assert camera.problem == "no picture of use (picture 0 is bad) for more than 2 s"
    camera.film(0.1)
    assert camera.problem == ""


def test_too_few_good_ones_among_pictures_of_no_use_is_slow() -> None:
    camera = Camera()
    camera.film(5.0)
    for _ in range(5):
        camera.film(0.1)
        for _ in range(9):
            camera.wait(0.1)
            camera.spoil()

    assert camera.problem.startswith("slow")
