import io
import re

import pytest
from rich.console import Console
from wayfarer_in_process.progress import LINE_PERIOD, CollectionProgress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def piped(clock: Clock, done: int = 0) -> tuple[CollectionProgress, io.StringIO]:
    said = io.StringIO()
    progress = CollectionProgress(4, 50, done, Console(file=said, width=200), clock)
    progress.start()
    return progress, said


def test_where_nobody_watches_each_finished_episode_is_one_line() -> None:
    clock = Clock()
    progress, said = piped(clock)
    for done in range(4):
        for step in range(50):
            clock.now += 0.1
            progress.tell(done, step + 1, f"episode {done}: acting")

        progress.tell(done + 1, 0, f"episode {done}: storing")

    progress.stop()
    lines = said.getvalue().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["1", "2", "3", "4"]
    assert (
        lines[0]
        == "1 of 4 episodes, 50 of 200 steps after 0:00:05, 10.0 steps/s, 0:00:15 left; episode 0: storing"
    )


def test_a_long_episode_says_a_line_each_half_minute() -> None:
    clock = Clock()
    progress, said = piped(clock)
    for step in range(50):
        clock.now += LINE_PERIOD / 10
        progress.tell(0, step + 1, "episode 0: acting")

    assert len(said.getvalue().splitlines()) == 5


def test_the_rate_is_over_the_whole_command_and_not_over_the_last_stretch() -> None:
    clock = Clock()
    progress, said = piped(clock)
    progress.tell(0, 50, "fast")
    clock.now += 100.0  # learning, say
    progress.tell(1, 0, "storing")
    assert re.search(r"after 0:01:40, 0\.5 steps/s, 0:05:00 left", said.getvalue())


def test_steps_that_an_earlier_command_took_are_none_of_this_ones_rate() -> None:
    clock = Clock()
    progress, said = piped(clock, done=2)
    clock.now += 10.0
    progress.tell(3, 0, "storing")
    assert "3 of 4 episodes, 150 of 200 steps after 0:00:10, 5.0 steps/s" in said.getvalue()


def test_a_terminal_gets_a_bar_with_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    said = io.StringIO()
    clock = Clock()
    progress = CollectionProgress(
        4, 50, 0, Console(file=said, force_terminal=True, width=120), clock
    )
    progress.start()
    clock.now += 5.0
    progress.tell(0, 25, "episode 0: acting [b]")
    progress.stop()
    assert "episode 0: acting [b]" in said.getvalue()
    assert "5.0 steps/s" in said.getvalue()
    assert "25/200" in said.getvalue()
