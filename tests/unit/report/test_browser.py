"""The report as a real browser shows it."""

from pathlib import Path

import numpy as np
import pytest
from fixtures.browser import show
from fixtures.episodes import write_run
from wayfarer_report.page.dataset import dataset_page
from wayfarer_report.page.gathered import gather
from wayfarer_report.page.page import write_page

pytestmark = pytest.mark.slow


def test_the_page_is_drawn_in_light_and_dark_and_its_console_is_silent(tmp_path: Path) -> None:
    runs = [gather(write_run(tmp_path / name, 2, 6, size=36)) for name in ("one", "two")]
    page = tmp_path / "report.html"
    write_page(page, dataset_page(runs, "the tests"))
    light = show(page, tmp_path / "light.png")
    dark = show(page, tmp_path / "dark.png", dark=True)

    for shown in (light, dark):
        assert shown.console == []
        assert shown.pixels.shape == (2400, 1280, 3)
        assert len(np.unique(shown.pixels.reshape(-1, 3), axis=0)) > 500  # text, curves, colours
        for part in np.array_split(shown.pixels, 4):  # no quarter of it is blank
            assert (np.abs(part.astype(int) - part[0, 0]).max(axis=2) > 60).mean() > 0.005

    assert light.pixels.mean() > 200
    assert dark.pixels.mean() < 80


def test_a_page_that_wants_a_script_to_run_or_something_from_outside_would_be_noticed(
    tmp_path: Path,
) -> None:
    page = tmp_path / "report.html"
    evil = "<script>document.body.remove()</script><img src='http://192.0.2.1/x.png'>"
    content = dataset_page([gather(write_run(tmp_path / "run", 1, 3))], "the tests")
    write_page(page, content.replace("</main>", f"{evil}</main>"))
    shown = show(page, tmp_path / "shown.png")
    assert len(shown.console) >= 2
    assert all("Content Security Policy" in line for line in shown.console)
    assert shown.pixels.std() > 10  # the page is still there
