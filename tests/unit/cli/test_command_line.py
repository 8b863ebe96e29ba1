"""What the command line itself promises.

Choices, help, version, completion, one exit code for what is wrong.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from wayfarer_cli import main
from wayfarer_cli.paper import paper
from wayfarer_collector.params import SCHEDULES
from wayfarer_core.options import DEVICES
from wayfarer_paper.plan import STAGES
from wayfarer_paper.scales import SCALES
from wayfarer_policies.exploration.methods import METHODS

# words of the command -> exit code, standard output, standard error
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def wayfarer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process."""
    monkeypatch.setattr(main.lifetime, "end_as_python_does", lambda: None)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["wayfarer", *words])
        with pytest.raises(SystemExit) as ended:
            main.main()
        said = capsys.readouterr()

        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["collect", "--schedule", "foo"], ["--schedule", "'sequential', 'overlapped'"]),
        (["collect", "--method", "offline"], ["--method", "'goal', 'goal-random'"]),
        (["collect", "--method", "teleop"], ["--method teleop needs --device keyboard", "topic"]),
        (["collect", "--device", "foot"], ["--device", "'keyboard', 'gamepad'"]),
        (
            ["collect", "--method", "teleop", "--device", "gamepad", "--in-process"],
            ["--in-process has no ROS for a gamepad", "--device keyboard"],
        ),
        (["collect", "--target", "moon"], ["--target", "'sim', 'hardware'"]),
        (["collect", "--recipe", "foo"], ["--recipe", "'practical', 'paper'"]),
        (["collect", "--episodes", "0"], ["--episodes"]),
        (["collect", "--stpes", "3"], ["--stpes", "--steps"]),
        (
            ["collect", "--in-process", "--schedule", "foo"],
            ["--schedule", "'sequential', 'overlapped'"],
        ),
        (
            ["launch", "sim.launch.xml", "run:=out", "schedule:=foo"],
            ["schedule:=foo", "sequential, overlapped"],
        ),
        (
            ["launch", "sim.launch.xml", "run:=out", "method:=foo"],
            ["method:=foo", "goal, goal-random"],
        ),
        (
            ["launch", "sim.launch.xml", "run:=out", "lockstep:=foo"],
            ["lockstep:=foo", "true, false"],
        ),
        (
            ["launch", "sim.launch.xml", "run:=out", "learning:=foo"],
            ["learning:=foo", "true, false"],
        ),
        (["launch", "sim.launch.xml", "episodes:=2"], ["needs run:=", "directory of the run"]),
        (["paper", "every", "--out", "out"], ["every", "'collect', 'report'"]),
        (["train", "color", "out", "--split", "foo"], ["--split", "'frames', 'episodes'"]),
        (["collect", "--method", "external"], ["--policy and --method external belong together"]),
        (
            ["collect", "--method", "random", "--policy", "x"],
            ["--policy and --method external belong together"],
        ),
        (
            ["collect", "--method", "external", "--policy", "x"],
            ["must be external:ADDRESS or lerobot:FOLDER"],
        ),
        (["evaluate", "--policy", "random"], ["choose from flip-"]),
        (
            ["evaluate", "--policy", "goal", "--task", "push"],
            ["must be external:ADDRESS or lerobot:FOLDER"],
        ),
        (["nonsense"], ["nonsense"]),
    ],
    ids=lambda value: "_".join(value[:1] + value[-1:]),
)
def test_a_wrong_word_is_one_line_and_exit_code_1_before_anything_starts(
    wayfarer: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = wayfarer(*words, *(["--out", "out"] if words[0] == "collect" else []))
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in said), line
    assert (code, out, list(tmp_path.iterdir())) == (1, "", [])


def test_what_the_command_line_offers_is_all_there_is() -> None:
    assert {*get_args(main.Collecting), "offline"} == set(METHODS)
    assert get_args(main.LearningSchedule) == SCHEDULES
    assert get_args(get_args(get_args(main.Device)[0])[0]) == DEVICES


@pytest.mark.parametrize(("option", "there_is"), [("stage", STAGES), ("size", SCALES)])
def test_what_wayfarer_paper_offers_is_all_there_is(
    option: str, there_is: dict[str, object]
) -> None:
    annotation = paper.__annotations__[option]
    assert set(get_args(get_args(annotation)[0])) == set(there_is)


@pytest.mark.parametrize(
    "words", [["-h"], ["collect", "-h"], ["bag", "merge", "-h"], ["launch", "-h"]]
)
def test_every_command_explains_itself_to_h(wayfarer: Run, words: list[str]) -> None:
    code, out, _ = wayfarer(*words)
    assert (code, "Usage: wayfarer" in out) == (0, True)


def test_a_command_without_a_word_explains_itself(wayfarer: Run) -> None:
    code, out, err = wayfarer("bag")
    assert code == 1
    assert "Usage: wayfarer bag" in out + err
    assert "error" not in err


def test_the_version_is_said(wayfarer: Run) -> None:
    code, out, err = wayfarer("--version")
    assert (code, err) == (0, "")
    assert out.startswith("wayfarer 0.")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("wayfarer col", {"collect"}),
        ("wayfarer collect --sch", {"--schedule"}),
        ("wayfarer collect --schedule ", {"sequential", "overlapped"}),
        ("wayfarer collect --method goal-", {"goal-random", "goal-min"}),
        ("wayfarer launch s", {"sim.launch.xml"}),
        ("wayfarer bag mer", {"merge"}),
    ],
)
def test_the_tab_key_completes_commands_options_and_choices(
    wayfarer: Run, monkeypatch: pytest.MonkeyPatch, typed: str, offered: set[str]
) -> None:
    words = typed.split(" ")
    monkeypatch.setenv("_WAYFARER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    _, out, _ = wayfarer()
    assert set(out.split()) == offered


@pytest.mark.parametrize("module", ["collect", "launch", "bag", "operator", "view"])
def test_a_command_that_learns_nothing_starts_without_torch(module: str) -> None:
    """Torch takes seconds to import."""
    told = f"import sys, wayfarer_cli.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], timeout=60.0).returncode == 0
