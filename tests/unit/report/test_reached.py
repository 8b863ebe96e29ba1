from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from wayfarer_core.errors import DataError
from wayfarer_report.drawings.reached import (
    Ending,
    draw_reached,
    most_telling,
    side_by_side,
    write_movie,
)

WHITE = np.full((12, 12, 3), 255, np.uint8)


def picture(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = WHITE.copy()
    image[3:6, 3:6] = value
    return image


def test_a_sheet_shows_each_goal_and_what_each_policy_came_to(tmp_path: Path) -> None:
    goals = [("of the run", picture(10)), ("spread evenly", picture(200))]
    endings = {"policy": [Ending(picture(10), 0.02), Ending(picture(90), 0.31)]}
    one = draw_reached(goals, endings, tmp_path / "one.png")
    two = draw_reached(
        goals, {**endings, "standing still": endings["policy"]}, tmp_path / "two.png"
    )
    sizes = [Image.open(file).size for file in (one, two)]
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][1] < sizes[1][1]  # a row more


def test_those_images_are_told_that_differ_from_the_usual_one() -> None:
    assert most_telling([WHITE, picture(0), WHITE, picture(100), WHITE], 2) == [1, 3]
    assert most_telling([WHITE], 8) == [0]


def test_a_film_keeps_its_frames_its_pace_and_a_few_coloured_pixels(tmp_path: Path) -> None:
    frames = [side_by_side(picture(40 * k), WHITE) for k in range(5)]
    frames[2][18 + 5, 20] = (250, 200, 0)
    with Image.open(write_movie(frames, tmp_path / "film.gif", rate=10.0)) as film:
        assert (film.n_frames, film.size, film.info["duration"]) == (5, (28, 18 + 12), 100)  # type: ignore[attr-defined]
        film.seek(2)
        red, green, blue = film.convert("RGB").getpixel((20, 18 + 5))  # type: ignore[misc]

    assert red > 200
    assert 150 < green < 240
    assert blue < 60


def test_a_picture_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot write"):
        write_movie([WHITE], tmp_path / "none" / "film.gif", rate=10.0)
    with pytest.raises(DataError, match="cannot write"):
        draw_reached([("spread evenly", WHITE)], {}, tmp_path / "none" / "sheet.png")
