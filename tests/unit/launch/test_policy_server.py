"""Policies in other processes as the command line names them.

What is none is refused before anything starts.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from fixtures import policy_servers
from fixtures.graph import wait_for
from fixtures.policy_servers import free_address, policy_server
from wayfarer_core.errors import ConfigError, PolicyError
from wayfarer_launch.policy_server import served


def enter(wanted: str, python: Path | None = None) -> None:
    with served(wanted, python):
        pass


def test_a_server_that_is_there_is_asked_for_its_name_and_left_running() -> None:
    with policy_server() as server:
        with served(f"external:{server.address}") as found:
            assert (found.address, found.policy, found.folder) == (server.address, "counting", None)
            found.check()

        assert server.process.poll() is None


@pytest.mark.parametrize(
    "wanted", ["", "external", "external:", "lerobot:", "huggingface:x", "random"]
)
def test_what_is_no_policy_from_elsewhere_is_refused_with_what_is(wanted: str) -> None:
    with pytest.raises(ConfigError, match="must be external:ADDRESS or lerobot:FOLDER"):
        enter(wanted)


def test_an_address_nobody_listens_at_or_of_another_machine_is_told() -> None:
    with pytest.raises(PolicyError, match="nobody answers"):
        enter(f"external:{free_address()}")
    with pytest.raises(ConfigError, match="only this machine's own"):
        enter("external:10.0.0.1:5555")


def test_a_folder_or_an_environment_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        enter(f"lerobot:{tmp_path / 'none'}")
    with pytest.raises(ConfigError, match="no Python with LeRobot at /nowhere/python: `make"):
        enter(f"lerobot:{tmp_path}", Path("/nowhere/python"))


def test_a_server_that_ends_while_it_loads_is_told_with_its_last_words(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no memory left\nexit 7\n")
    python.chmod(0o755)
    with pytest.raises(
        PolicyError, match="LeRobot's server ended with exit code 7: no memory left"
    ):
        enter(f"lerobot:{tmp_path}", python)


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """What stands in for the Python of LeRobot's environment.

    The protocol's own server, without LeRobot.
    """
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {policy_servers.__file__} counting 0\n")
    python.chmod(0o755)
    return python


def test_a_server_that_was_started_has_ended_afterwards_and_its_end_is_noticed(
    tmp_path: Path, stand_in: Path
) -> None:
    with served(f"lerobot:{tmp_path}", stand_in) as found:
        found.check()
        assert (found.policy, found.folder) == ("counting", tmp_path)

    with pytest.raises(PolicyError, match="LeRobot's server ended with exit code"):
        found.check()

    with pytest.raises(PolicyError, match="nobody answers"):
        enter(f"external:{found.address}")


def test_a_command_that_is_killed_takes_its_server_along(tmp_path: Path, stand_in: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from wayfarer_launch.policy_server import served\n"
        f"with served('lerobot:{tmp_path}', Path('{stand_in}')) as found:\n"
        "    print(found.address, flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        address = command.stdout.readline().strip()
        enter(f"external:{address}")
        command.kill()

    def gone() -> bool:
        try:
            enter(f"external:{address}")
        except PolicyError:
            return True

        return False

    wait_for(gone, "the server to end")
