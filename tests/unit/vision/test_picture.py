import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError
from wayfarer_vision.picture import Crop, observe


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng([height, width]).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )


def quarters(size: int) -> NDArray[np.uint8]:
    """A square whose quarters are red, green (top right), blue (bottom left) and white."""
    picture = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    picture[:half, :half, 0] = 255
    picture[:half, half:, 1] = 255
    picture[half:, :half, 2] = 255
    picture[half:, half:] = 255

    return picture


def test_an_image_of_the_right_size_passes_unchanged() -> None:
    pixels = noise(84, 84)
    observed = observe(pixels, Crop(), 84)
    assert (observed == pixels).all()
    assert observed.flags.c_contiguous


@settings(max_examples=60)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 3), st.integers(1, 100))
def test_whatever_the_camera_sends_the_observation_has_its_size(
    height: int, width: int, turns: int, size: int
) -> None:
    observed = observe(noise(height, width), Crop(quarter_turns=turns), size)
    assert observed.shape == (size, size, 3)
    assert observed.dtype == np.uint8
    assert observed.flags.c_contiguous


def test_a_wide_image_keeps_its_left_square_unless_told_otherwise() -> None:
    pixels = noise(84, 120)
    assert (observe(pixels, Crop(), 84) == pixels[:, :84]).all()


def test_a_tall_image_keeps_its_top_square_unless_told_otherwise() -> None:
    pixels = noise(120, 84)
    assert (observe(pixels, Crop(), 84) == pixels[:84]).all()


def test_the_crop_starts_at_the_given_row_and_column() -> None:
    pixels = noise(100, 130)
    observed = observe(pixels, Crop(left=30, top=10, size=84), 84)
    assert (observed == pixels[10:94, 30:114]).all()


def test_without_a_size_the_crop_reaches_as_far_as_it_can() -> None:
    pixels = noise(100, 130)
    assert (observe(pixels, Crop(left=46, top=16), 84) == pixels[16:100, 46:130]).all()


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_are_counter_clockwise(turns: int) -> None:
    # what comes to the top left
    corners = {0: (255, 0, 0), 1: (0, 255, 0), 2: (255, 255, 255), 3: (0, 0, 255)}
    observed = observe(quarters(84), Crop(quarter_turns=turns), 84)
    assert tuple(observed[0, 0]) == corners[turns]


@pytest.mark.parametrize("edge", [168, 42])
def test_resizing_keeps_colours_and_orientation(edge: int) -> None:
    observed = observe(quarters(edge), Crop(), 84)
    assert tuple(observed[5, 5]) == (255, 0, 0)
    assert tuple(observed[5, 78]) == (0, 255, 0)
    assert tuple(observed[78, 5]) == (0, 0, 255)
    assert tuple(observed[78, 78]) == (255, 255, 255)


def test_shrinking_averages_so_that_fine_stripes_turn_grey_instead_of_flickering() -> None:
    stripes = np.zeros((168, 168, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (observe(stripes, Crop(), 84) == 100).all()


@pytest.mark.parametrize(
    "crop",
    [Crop(size=101), Crop(left=47, size=84), Crop(top=17, size=84), Crop(left=130), Crop(top=500)],
)
def test_a_crop_that_leaves_the_image_is_refused_with_both_sizes(crop: Crop) -> None:
    with pytest.raises(
        ConfigError, match=rf"\({crop.left}, {crop.top}\) does not fit an image of 130x100"
    ):
        observe(noise(100, 130), crop, 84)


@settings(max_examples=100)
@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_a_crop_either_fits_or_is_refused(
    left: int, top: int, size: int, height: int, width: int
) -> None:
    edge = size or min(height - top, width - left)
    fits = edge > 0 and top + edge <= height and left + edge <= width
    if fits:
        assert observe(noise(height, width), Crop(left, top, size), 8).shape == (8, 8, 3)
    else:
        with pytest.raises(ConfigError):
            observe(noise(height, width), Crop(left, top, size), 8)


def test_the_camera_s_own_pixels_stay_as_they_were() -> None:
    pixels = noise(120, 120)
    before = pixels.copy()
    observe(pixels, Crop(quarter_turns=1), 84)
    assert (pixels == before).all()
