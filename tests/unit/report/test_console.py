import io
import subprocess
import sys

import pytest
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from wayfarer_cli import main as command
from wayfarer_core.errors import ConfigError
from wayfarer_report.console import bars, show, words_of

NAMES = ["[/bold]", "[a]", "[red]x[/]", "a\\[b]", ":heart:", "[link=x]y"]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_shows_names_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("", name, title=name)
    table.add_row("run", name)
    show(table)
    assert capsys.readouterr().out.count(name) == 3


def test_a_narrow_table_cuts_no_word_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    table = Table("file", "about")
    table.add_row("seed0/policy.safetensors", "what was learned")
    show(table)
    said = capsys.readouterr().out
    first = "".join(line.split("│")[1].strip() for line in said.splitlines() if "│" in line)
    assert first == "seed0/policy.safetensors"


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_shows_names_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with bars() as progress:
        progress.add_task(f"reading {name}", total=1)
    assert f"reading {name}" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_s_own_columns_show_names_as_they_are(name: str) -> None:
    said = io.StringIO()
    progress = Progress(words_of("task.fields[rate]"), console=Console(file=said, emoji=False))
    progress.add_task("", total=1, rate=name)
    progress.console.print(progress.get_renderable())
    assert said.getvalue() == f"{name}\n"


@pytest.mark.parametrize("name", NAMES)
def test_an_error_names_what_is_wrong_as_it_is(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise ConfigError(f"{name} is none")

    monkeypatch.setattr(command, "app", refuse)
    monkeypatch.setattr(command.lifetime, "end_as_python_does", lambda: None)
    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == f"error: {name} is none\n"


def test_words_that_the_output_cannot_spell_are_spelled_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import sys\nfrom wayfarer_cli import main as command\n"
        "command.app = lambda **_: print('Würfel 测试')\ncommand.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
        timeout=60.0,
    )
    assert done.stdout == b"W\\xfcrfel \\u6d4b\\u8bd5\n", done.stderr
