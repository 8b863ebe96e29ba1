import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wayfarer_common.lifetime import claim
from wayfarer_core.errors import ConfigError
from wayfarer_launch import supervisor
from wayfarer_launch.launch_file import Launch, NodeSpec
from wayfarer_launch.supervisor import NodeDiedError, Supervisor

PYTHON = f"#!{sys.executable}\nimport os, signal, sys, time\n"
SLEEP = PYTHON + "print('awake', flush=True)\ntime.sleep(60)\n"
DEAF = (
    PYTHON
    + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('awake', flush=True)\ntime.sleep(60)\n"
)


class Nodes:
    """Scripts that stand for nodes, and what their supervisor said."""

    def __init__(self, folder: Path, domain: str) -> None:
        self.folder, self.domain = folder, domain
        self.lines: list[str] = []

    def supervisor(self, ends_run: bool = True, **scripts: str) -> Supervisor:
        for name, text in scripts.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)

        environment = (("ROS_DOMAIN_ID", self.domain), ("WAYFARER_TEST", "set"))
        launch = Launch(
            nodes=[
                NodeSpec("p", name, name, "/", (), (), ends_run, environment) for name in scripts
            ]
        )

        return Supervisor(launch, lambda _, name: self.folder / name, self.lines.append)

    def all_awake(self, count: int) -> bool:
        return sum(line.endswith("awake") for line in self.lines) == count


@pytest.fixture
def nodes(tmp_path: Path, domain: int) -> Nodes:
    return Nodes(tmp_path, str(domain))


def children() -> set[str]:
    """Process ids of this process's children, zombies included."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture(autouse=True)
def _nothing_survives() -> Iterator[None]:
    """No test may leave a child behind."""
    before = children()
    yield
    assert children() <= before


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def pids_of(running: Supervisor) -> list[int]:
    return [process.popen.pid for process in running._processes]


# --- how a run ends ---


def test_a_node_whose_work_is_done_ends_the_run_well_and_takes_the_others_along(
    nodes: Nodes,
) -> None:
    running = nodes.supervisor(worker=PYTHON + "print('done')", other=SLEEP)
    assert running.run() == 0
    assert all(gone(pid) for pid in pids_of(running))
    assert "[worker] done" in nodes.lines


def test_a_node_that_fails_takes_the_others_down_and_is_named(nodes: Nodes) -> None:
    running = nodes.supervisor(camera=PYTHON + "print('no device')\nsys.exit(3)", other=SLEEP)
    with pytest.raises(NodeDiedError, match="camera ended with exit code 3: the run was ended"):
        running.run()
    assert all(gone(pid) for pid in pids_of(running))
    assert "[camera] no device" in nodes.lines


def test_a_node_that_is_killed_is_named_with_its_signal(nodes: Nodes) -> None:
    running = nodes.supervisor(camera=PYTHON + "os.kill(os.getpid(), signal.SIGKILL)", other=SLEEP)
    with pytest.raises(NodeDiedError, match="camera was killed by SIGKILL"):
        running.run()
    assert all(gone(pid) for pid in pids_of(running))


def test_nodes_that_fail_together_are_all_named(nodes: Nodes) -> None:
    running = nodes.supervisor(
        one=PYTHON + "sys.exit(1)", two=PYTHON + "sys.exit(2)", watched=SLEEP
    )
    started = running._start

    def start_all(node: NodeSpec, program: Path) -> None:
        started(node, program)
        if node.name == "watched":  # it is the last; by then the others have come to their end
            assert soon(lambda: all(gone(pid) for pid in pids_of(running)[:2]))

    running._start = start_all  # type: ignore[method-assign]
    with pytest.raises(
        NodeDiedError, match="one ended with exit code 1 and two ended with exit code 2"
    ):
        running.run()


def test_a_node_whose_end_does_not_matter_may_fail(nodes: Nodes) -> None:
    running = nodes.supervisor(ends_run=False, helper=PYTHON + "print('bye')\nsys.exit(1)")

    def stop() -> None:
        if nodes.lines:
            os.kill(os.getpid(), signal.SIGTERM)

    assert running.run(stop) == 128 + signal.SIGTERM
    assert nodes.lines == ["[helper] bye"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_node_cleanly_and_at_once(nodes: Nodes, number: signal.Signals) -> None:
    tidy = PYTHON + (
        "signal.signal(signal.SIGTERM, lambda *_: (print('closed', flush=True), sys.exit(0)))\n"
        "print('awake', flush=True)\ntime.sleep(60)\n"
    )
    running = nodes.supervisor(one=tidy, two=tidy)
    started: list[float] = []

    def interrupt() -> None:
        if nodes.all_awake(2) and not started:
            started.append(time.monotonic())
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert running.run(interrupt) == 128 + number
    assert time.monotonic() - started[0] < 3.5
    assert sorted(line for line in nodes.lines if "closed" in line) == [
        "[one] closed",
        "[two] closed",
    ]
    assert all(gone(pid) for pid in pids_of(running))
    assert signal.getsignal(number) == before


def test_an_error_of_the_caller_ends_the_nodes_as_well(nodes: Nodes) -> None:
    running = nodes.supervisor(one=SLEEP)

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        running.run(fail)

    assert all(gone(pid) for pid in pids_of(running))


def test_a_node_that_ignores_sigterm_is_killed(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_PATIENCE", ((signal.SIGTERM, 0.3), (signal.SIGKILL, 1.0)))
    running = nodes.supervisor(
        deaf=DEAF, worker=PYTHON + "while not os.path.exists('/proc/self/x'): time.sleep(9)"
    )

    def stop() -> None:
        if nodes.all_awake(1):
            os.kill(os.getpid(), signal.SIGINT)

    assert running.run(stop) == 128 + signal.SIGINT
    assert all(gone(pid) for pid in pids_of(running))
    assert running._processes[0].popen.returncode == -signal.SIGKILL
    assert running._processes[1].popen.returncode == -signal.SIGTERM


def test_all_patience_together_is_five_seconds_and_ends_in_sigkill() -> None:
    assert sum(seconds for _, seconds in supervisor._PATIENCE) <= 5.0
    assert [number for number, _ in supervisor._PATIENCE] == [signal.SIGTERM, signal.SIGKILL]


@pytest.mark.slow
def test_a_node_that_ignores_sigterm_is_gone_within_five_seconds(nodes: Nodes) -> None:
    running = nodes.supervisor(deaf=DEAF)
    started: list[float] = []

    def stop() -> None:
        if nodes.all_awake(1) and not started:
            started.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    running.run(stop)
    assert time.monotonic() - started[0] < 5.0
    assert all(gone(pid) for pid in pids_of(running))


def test_no_node_outlives_a_supervisor_that_is_itself_killed(tmp_path: Path, nodes: Nodes) -> None:
    (tmp_path / "node").write_text(PYTHON + "print(os.getpid(), flush=True)\ntime.sleep(60)\n")
    (tmp_path / "node").chmod(0o755)
    code = f"""
from pathlib import Path
from wayfarer_launch.launch_file import Launch, NodeSpec
from wayfarer_launch.supervisor import Supervisor
environment = (("ROS_DOMAIN_ID", "{nodes.domain}"),)
specs = [NodeSpec("p", "node", name, "/", (), (), True, environment) for name in ("one", "two")]
find = lambda *_: Path({str(tmp_path / "node")!r})
Supervisor(Launch(nodes=specs), find, lambda line: print(line, flush=True)).run()
"""

    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        pids = [int(running.stdout.readline().split()[1]) for _ in range(2)]
        assert not any(gone(pid) for pid in pids)
        running.kill()

    assert soon(lambda: all(gone(pid) for pid in pids), 5.0)


# --- what nodes say and are told ---


def test_output_of_both_kinds_is_passed_on_line_by_line_under_the_node_s_name(nodes: Nodes) -> None:
    script = (
        PYTHON
        + "print('out', flush=True)\nprint('err', file=sys.stderr)\nos.write(1, b'h\\xe9 [red]\\n')\n"
    )
    assert nodes.supervisor(talker=script).run() == 0
    assert nodes.lines == ["[talker] out", "[talker] err", "[talker] h\ufffd [red]"]


def test_a_line_that_comes_in_pieces_is_passed_on_whole(nodes: Nodes) -> None:
    script = (
        PYTHON + "for part in ('a', 'b', 'c\\n'): os.write(1, part.encode()); time.sleep(0.15)\n"
    )
    nodes.supervisor(talker=script).run()
    assert nodes.lines == ["[talker] abc"]


def test_last_words_without_the_end_of_a_line_are_passed_on(nodes: Nodes) -> None:
    with pytest.raises(NodeDiedError):
        nodes.supervisor(talker=PYTHON + "os.write(1, b'first\\nfatal: no GPU')\nsys.exit(1)").run()
    assert nodes.lines == ["[talker] first", "[talker] fatal: no GPU"]


def test_a_node_that_says_very_much_loses_no_line(nodes: Nodes) -> None:
    nodes.supervisor(talker=PYTHON + "for k in range(20000): print('line', k)\n").run()
    assert nodes.lines == [f"[talker] line {k}" for k in range(20000)]


def test_a_node_whose_supervisor_is_dead_by_then_does_not_start(tmp_path: Path) -> None:
    """What the new process asks for before it becomes the node.

    The launcher it names is not its parent any more.
    """
    code = (
        "from wayfarer_launch.supervisor import _end_with\n_end_with(1 << 22)()\nprint('started')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60.0
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_nohup_keeps_a_launch_alive_without_its_terminal(nodes: Nodes) -> None:
    running = nodes.supervisor(one=SLEEP)
    heard: list[int] = []

    def hang_up() -> None:
        if nodes.all_awake(1):
            os.kill(os.getpid(), signal.SIGTERM if heard else signal.SIGHUP)
            heard.append(1)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert running.run(hang_up) == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nodes_get_the_environment_of_the_launch_and_no_input(nodes: Nodes) -> None:
    script = (
        PYTHON
        + "print(os.environ['WAYFARER_TEST'], os.environ['ROS_DOMAIN_ID'], repr(sys.stdin.read()))\n"
    )
    nodes.supervisor(node=script).run()
    assert nodes.lines == [f"[node] set {nodes.domain} ''"]


def test_nodes_get_their_ros_arguments(nodes: Nodes) -> None:
    nodes.supervisor(node=PYTHON + "print(*sys.argv[1:])").run()
    assert nodes.lines == ["[node] --ros-args -r __node:=node -r __ns:=/"]


def test_a_terminal_s_ctrl_c_reaches_the_nodes_only_through_the_supervisor(nodes: Nodes) -> None:
    nodes.supervisor(node=PYTHON + "print(os.getsid(0) == os.getpid())").run()
    assert nodes.lines == ["[node] True"]


# --- what keeps a run from starting ---


def test_a_node_that_another_launch_has_in_the_domain_is_refused_until_that_ends(
    nodes: Nodes,
) -> None:
    first = nodes.supervisor(one=PYTHON)
    with pytest.raises(
        ConfigError, match=f"/one is there already in ROS domain {nodes.domain} on this machine"
    ):
        nodes.supervisor(other=SLEEP, one=PYTHON)

    first.run()
    assert nodes.supervisor(one=PYTHON).run() == 0


def test_a_node_that_somebody_else_has_started_is_refused_before_anything_starts(
    nodes: Nodes,
) -> None:
    with (
        claim(int(nodes.domain), "/one"),
        pytest.raises(ConfigError, match=rf"/one is there .*\(process {os.getpid()}\)"),
    ):
        nodes.supervisor(one=SLEEP)

    assert nodes.supervisor(one=PYTHON).run() == 0, "a launch that was refused holds no name"


def test_a_launch_that_never_ran_holds_its_names_no_longer_than_it_is_there(nodes: Nodes) -> None:
    with pytest.raises(ConfigError, match="/two is there"), claim(int(nodes.domain), "/two"):
        nodes.supervisor(one=SLEEP, two=SLEEP)
    assert nodes.supervisor(one=PYTHON).run() == 0


@pytest.mark.parametrize(
    "domain", ["102", "-1", "one", " 5", "1.0", "²", "010", "99999999999999999999"]
)
def test_a_domain_that_ros_could_not_use_is_refused_with_what_it_could(
    nodes: Nodes, domain: str
) -> None:
    nodes.domain = domain
    with pytest.raises(
        ConfigError, match=f"ROS_DOMAIN_ID='{domain}' must be a number from 0 to 101"
    ):
        nodes.supervisor(one=SLEEP)


def test_an_executable_that_is_missing_is_found_out_before_anything_starts(
    nodes: Nodes, tmp_path: Path
) -> None:
    def find(_: str, name: str) -> Path:
        if name == "gone":
            raise ConfigError("package p has no executable gone")
        raise AssertionError("looked for after the refusal")

    domain = (("ROS_DOMAIN_ID", nodes.domain),)
    specs = [NodeSpec("p", name, name, "/", (), (), True, domain) for name in ("gone", "started")]
    with pytest.raises(ConfigError, match="no executable gone"):
        Supervisor(Launch(nodes=specs), find, nodes.lines.append)

    assert nodes.supervisor(one=PYTHON).run() == 0  # the domain is free


def test_a_launch_none_of_whose_nodes_ends_it_ends_when_all_have(nodes: Nodes) -> None:
    supervisor = nodes.supervisor(
        ends_run=False, short=PYTHON, longer=PYTHON + "time.sleep(0.3)\nprint('last')\n"
    )
    assert supervisor.run() == 0
    assert "[longer] last" in nodes.lines


def test_a_launch_that_ends_so_names_the_node_that_failed(nodes: Nodes) -> None:
    supervisor = nodes.supervisor(ends_run=False, good=PYTHON, bad=PYTHON + "sys.exit(3)\n")
    with pytest.raises(NodeDiedError, match="bad ended with exit code 3"):
        supervisor.run()
