import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from wayfarer_common import lifetime
from wayfarer_common.lifetime import claim
from wayfarer_core.errors import ConfigError

DEADLINE = 60.0  # s
BEGIN = "import os, signal, sys, threading, time\nfrom wayfarer_common.lifetime import *\n"
NODE = BEGIN + "begin_node()\nprint('alive', os.getpid(), flush=True)\ntime.sleep(600)\n"
# what starts a node and is then killed: {stdin} of the node, {how} the parent goes on
PARENT = """
import subprocess, sys, threading, time
def start():
    command = [sys.executable, "-c", {node!r}]
    node = subprocess.Popen(command, stdin={stdin}, stdout=subprocess.PIPE)
    print(node.stdout.readline(), flush=True)
{how}
time.sleep(600)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon(condition: Callable[[], bool], seconds: float = DEADLINE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def python(code: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **options
    )  # type: ignore[call-overload, no-any-return]


def word(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


# --- one of a name ---


def test_a_name_is_given_once_and_again_when_it_is_free(domain: int) -> None:
    held = claim(domain, "/arm/camera")
    with pytest.raises(
        ConfigError,
        match=rf"/arm/camera is there already in ROS domain {domain} .*\(process {os.getpid()}\)",
    ):
        claim(domain, "/arm/camera")

    held.close()
    claim(domain, "/arm/camera").close()


def test_names_of_other_domains_namespaces_nodes_and_kinds_do_not_meet(domain: int) -> None:
    held = [
        claim(domain, "/arm/camera"),
        claim(domain + 100, "/arm/camera"),
        claim(domain, "/camera"),
    ]
    held += [claim(domain, "/arm/control"), claim(domain, "/arm/camera", kind="launch")]
    assert len({socket.getsockname() for socket in held}) == 5

    for socket in held:
        socket.close()


def test_a_name_longer_than_a_socket_s_is_kept_apart_from_others(domain: int) -> None:
    a, b = claim(domain, "/a" * 200), claim(domain, "/a" * 199 + "/b")
    with pytest.raises(ConfigError, match="is there already"):
        claim(domain, "/a" * 200)
    a.close()
    b.close()


def test_a_name_is_free_when_who_has_it_is_killed(domain: int) -> None:
    code = (
        BEGIN + f"held = claim({domain}, '/camera')\nprint('has it', flush=True)\ntime.sleep(600)"
    )
    with python(code) as other:
        assert word(other) == "has it\n"
        with pytest.raises(ConfigError, match=rf"\(process {other.pid}\)"):
            claim(domain, "/camera")
        other.kill()

    claim(domain, "/camera").close()


# --- no longer than who started it ---


def started_by(how: str, stdin: str = "None") -> tuple[subprocess.Popen[str], int]:
    parent = python(PARENT.format(node=NODE, stdin=stdin, how=how))
    return parent, int(word(parent).strip("b'\n\\n").split()[1])


def test_a_node_ends_when_the_program_that_started_it_is_killed() -> None:
    parent, node = started_by("start()")
    assert not gone(node)
    parent.kill()
    assert soon(lambda: gone(node))
    parent.communicate()


def test_a_node_lives_on_when_only_the_thread_that_started_it_has_ended() -> None:
    how = (
        "thread = threading.Thread(target=start); thread.start(); thread.join(); print('ended', "
        "flush=True)"
    )
    parent, node = started_by(how)
    assert word(parent) == "ended\n"
    assert not soon(lambda: gone(node), 1.0)
    parent.kill()
    assert soon(lambda: gone(node)), "but not longer than the program"
    parent.communicate()


def test_a_node_started_by_a_shell_in_the_background_outlives_it(tmp_path: Path) -> None:
    (tmp_path / "node.py").write_text(NODE)
    script = f"{sys.executable} {tmp_path}/node.py >{tmp_path}/said & read -r word"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, text=True) as shell:
        assert soon(
            lambda: (
                "alive" in (tmp_path / "said").read_text()
                if (tmp_path / "said").exists()
                else False
            )
        )
        shell.communicate("go\n")

    node = int((tmp_path / "said").read_text().split()[1])
    assert not soon(lambda: gone(node), 1.0)
    os.kill(node, signal.SIGTERM)
    assert soon(lambda: gone(node))


def test_a_node_whose_launcher_died_before_it_could_look_ends_as_well() -> None:
    """The kernel gives it to init, and the pipe that the launcher held is at its end."""
    reader, writer = os.pipe()
    late = f"time.sleep(0.5)\n{NODE.removeprefix(BEGIN)}"
    node = [sys.executable, "-c", BEGIN + late]
    launcher = (
        f"import os, subprocess\nsubprocess.Popen({node!r}, stdin=subprocess.PIPE)\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", launcher], stdout=writer, timeout=DEADLINE)
    os.close(writer)

    with os.fdopen(reader) as said:
        assert said.read() == "", "it ended before it came to be alive"


# --- signals from the first line on ---


@pytest.mark.parametrize("number", lifetime.ENDING)
@pytest.mark.parametrize(("begin", "code"), [("begin_node()", 0), ("begin_command()", None)])
def test_a_signal_that_comes_early_ends_the_process_without_a_word(
    number: signal.Signals, begin: str, code: int | None
) -> None:
    said = f"{BEGIN}{begin}\nprint('ready', flush=True)\ntime.sleep(600)"
    with python(said, stderr=subprocess.STDOUT) as process:
        assert word(process) == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=DEADLINE) == ("", None)

    assert process.returncode == (128 + number if code is None else code)


def test_nohup_keeps_a_process_from_hearing_that_its_terminal_is_gone() -> None:
    code = BEGIN + "begin_node()\nos.kill(os.getpid(), signal.SIGHUP)\nprint('alive', flush=True)"
    ignored = "import os, signal, sys\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    with python(f"{ignored}os.execv(sys.executable, [sys.executable, '-c', {code!r}])") as process:
        assert word(process) == "alive\n"


def test_a_command_gets_python_s_own_signals_back_once_it_has_begun() -> None:
    code = (
        BEGIN + "begin_command()\nend_as_python_does()\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    with python(code, stderr=subprocess.PIPE) as process:
        assert word(process) == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=DEADLINE)[1]
