"""Nodes as processes: who starts them, who else has their name, and how they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fixtures.episodes import write_run
from fixtures.feeding import Feeder
from fixtures.graph import DEADLINE, VENV, nodes_of, peer, wait_for, wayfarer
from rclpy.action import ActionClient
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import lifetime
from wayfarer_common.ros_arguments import quoted
from wayfarer_core import names
from wayfarer_data.upkeep.verify import GOOD, verify
from wayfarer_msgs.action import Train

# a program that starts a node and waits for it, as any launcher does
LAUNCHER = (
    "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); "
    "sys.exit(p.wait())"
)


# a node in which an error happens at the place that its argument names
FAULTY = """
import sys
from std_srvs.srv import Trigger
from wayfarer_common.run import ContractNode, run

class Faulty(ContractNode):
    def __init__(self):
        super().__init__("faulty")
        self.offer(Trigger, "plain", self.answer if PLACE == "future" else self.fault)
        self.offer(Trigger, "awaited", self.awaited_fault)
        self.clients_ = {n: self.create_client(Trigger, n) for n in ("plain", "awaited")}
        self.create_timer(0.2, self.tick)

    def tick(self):
        if PLACE == "timer":
            self.fault()
        name = "awaited" if PLACE == "awaited service" else "plain"
        asked = self.clients_[name].call_async(Trigger.Request())
        if PLACE == "future":
            asked.add_done_callback(self.guarded(self.fault))

    def fault(self, *_):
        raise ValueError(f"an error in a {PLACE}")

    def answer(self, _, response):
        return response

    async def awaited_fault(self, _, response):
        await self.in_thread(lambda: None)
        self.fault()

PLACE = sys.argv[1]
sys.argv = sys.argv[:1]
run(Faulty)
"""


def command(package: str, executable: str, *words: str) -> list[str]:
    return [str(VENV / "lib" / package / executable), "--ros-args", *words]


def recorder(run: Path) -> list[str]:
    return command("wayfarer_replay", "replay", "-p", f"run:={quoted('run', str(run))}")


@contextmanager
def process(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def record_three_steps(domain: int) -> None:
    """Let the recorder of a domain begin an episode, and send it three steps."""
    with peer(domain) as me:
        feeder = Feeder(me)
        feeder.connect()
        assert feeder.begin(lambda: True)
        for step in range(3):
            feeder.step(step)

        wait_for(lambda: "messages" in recorder_says(me), "the recorder to have written them")


def recorder_says(me: Any) -> str:
    status = me.health.get("replay")
    return " ".join(pair.key for pair in status.values) if status is not None else ""


def check_that_nothing_is_lost(run: Path) -> None:
    assert RunDirectory(run).torn() == {}
    (file,) = RunDirectory(run).episodes().values()
    episode = read_episode(file)
    assert (episode.info.end, episode.info.reason) == (End.ABORTED, "the recorder was stopped")
    assert verify(run).code == GOOD


# --- how they end ---


@pytest.mark.parametrize("place", ["timer", "service", "awaited service", "future"])
def test_an_error_ends_a_node_in_order_wherever_it_happens(domain: int, place: str) -> None:
    with process([sys.executable, "-c", FAULTY, place]) as node:
        output, _ = node.communicate(timeout=DEADLINE)

    assert node.returncode == 1, output
    assert f"ValueError: an error in a {place}" in output
    assert "Fatal Python error" not in output


@pytest.mark.parametrize("number", lifetime.ENDING)
def test_a_signal_ends_the_recorder_with_its_episode_closed(
    domain: int, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    with process(recorder(run)) as node:
        record_three_steps(domain)
        node.send_signal(number)
        output, _ = node.communicate(timeout=DEADLINE)

    assert node.returncode == 0, output
    assert "Traceback" not in output
    check_that_nothing_is_lost(run)


def test_a_recorder_whose_launcher_is_killed_ends_with_its_episode_closed(
    domain: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with process([sys.executable, "-c", LAUNCHER, *recorder(run)]) as launcher:
        assert launcher.stdout is not None
        node = int(launcher.stdout.readline())
        record_three_steps(domain)
        assert nodes_of() == {"wayfarer_replay": node}
        launcher.kill()
        wait_for(lambda: not nodes_of(), "the node to end")

    check_that_nothing_is_lost(run)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_node_of_a_launch_outlives_its_launcher_and_every_file_is_closed(
    domain: int, tmp_path: Path, number: signal.Signals
) -> None:
    """As with `ros2 launch`, which passes no SIGTERM on.

    All that is left to the nodes is the kernel's word.
    """
    run = tmp_path / "run"
    words = ["launch", "sim.launch.xml", f"run:={run}", "episodes:=1000", "steps:=5"]
    with process([sys.executable, "-c", LAUNCH_WITHOUT_CARE, *words]) as launcher:
        wait_for(
            lambda: (run / "run.yaml").exists() and RunDirectory(run).episodes(),
            "a closed episode",
            180.0,
        )
        assert len(nodes_of()) == 7
        launcher.send_signal(number)
        wait_for(lambda: not nodes_of(), "every node to end")

    assert RunDirectory(run).torn() == {}
    assert verify(run).code == GOOD


# starts the nodes of a launch file as ros2 launch does: pipes, no session of their own, no handler
# of SIGTERM
LAUNCH_WITHOUT_CARE = """
import subprocess, sys
from pathlib import Path
from wayfarer_launch.launch_file import read_launch_file
from wayfarer_launch.nodes import executable, find_launch_file, share_of
given = dict(word.split(":=") for word in sys.argv[3:])
launch = read_launch_file(find_launch_file(sys.argv[2]), given, share_of)
pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
commands = [[executable(n.package, n.executable), *n.arguments()] for n in launch.nodes]
nodes = [subprocess.Popen(command, **pipes) for command in commands]
nodes[0].wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_learner_that_is_stopped_while_it_learns_ends_at_once_and_without_a_word(
    domain: int, tmp_path: Path, number: signal.Signals
) -> None:
    run = write_run(tmp_path / "run", 2, 10, size=84)
    feedback: list[Any] = []
    with process(command("wayfarer_learner", "learner", "-p", f"run:={run}")) as node:
        with peer(domain) as me:
            client: Any = ActionClient(me.node, Train, names.TRAIN)
            wait_for(client.server_is_ready, "the learner")
            client.send_goal_async(Train.Goal(steps=100_000), feedback.append)
            wait_for(lambda: feedback, "ten updates", 120.0)

        node.send_signal(number)
        output, _ = node.communicate(timeout=DEADLINE)

    assert node.returncode == 0, output
    assert output == ""
    assert not (run / "checkpoints" / "learner.safetensors").exists(), (
        "what was not learned to its end is learned anew"
    )


# --- one of a name ---


def test_a_second_node_of_a_name_is_refused_with_one_line_and_changes_nothing(
    domain: int, tmp_path: Path
) -> None:
    with process(recorder(tmp_path / "first")) as first, peer(domain) as me:
        wait_for(lambda: "replay" in me.health, "the first recorder")
        done = subprocess.run(
            recorder(tmp_path / "second"), capture_output=True, text=True, timeout=DEADLINE
        )
        assert first.poll() is None

    assert done.returncode == 1
    expected = (
        f"replay: ConfigError: /replay is there already in ROS domain {domain} on this machine "
        f"(process {first.pid})"
    )
    assert done.stderr.startswith(expected), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "second").exists()


def test_nodes_of_two_namespaces_live_in_one_domain(domain: int, tmp_path: Path) -> None:
    left, right = (["-r", f"__ns:=/{side}"] for side in ("left", "right"))
    with (
        process([*recorder(tmp_path / "left"), *left]),
        process([*recorder(tmp_path / "right"), *right]),
        peer(domain) as me,
    ):
        places = set()
        me.node.create_timer(
            0.1, lambda: places.add(me.health["replay"].hardware_id) if me.health else None
        )
        wait_for(lambda: places == {"/left", "/right"}, "both recorders")


@pytest.mark.slow
def test_two_simulators_in_one_domain_do_not_both_make_its_time(domain: int) -> None:
    left, right = (
        command("wayfarer_sim_bridge", "sim_bridge", "-r", f"__ns:=/{side}")
        for side in ("left", "right")
    )
    with process(left), peer(domain) as me:
        wait_for(lambda: "sim_bridge" in me.health, "the first simulator", 120.0)
        done = subprocess.run(right, capture_output=True, text=True, timeout=120.0)
        assert done.returncode == 1
        assert "/clock is there already" in done.stderr
        wall = subprocess.Popen(
            [*right, "-p", "lockstep:=false"], stderr=subprocess.PIPE, text=True
        )
        wait_for(
            lambda: me.node.get_node_names_and_namespaces().count(("sim_bridge", "/right")),
            "the second",
            120.0,
        )
        wall.terminate()
        assert wall.communicate(timeout=DEADLINE)[1] == ""


@pytest.mark.slow
def test_a_launch_beside_nodes_that_somebody_started_is_refused_before_it_starts_any(
    domain: int, tmp_path: Path
) -> None:
    words = [*recorder(tmp_path / "first"), "-r", "__ns:=/wayfarer"]
    with process(words) as node, peer(domain) as me:
        wait_for(lambda: "replay" in me.health, "the recorder")
        out = tmp_path / "second"
        done = wayfarer(
            "collect", "--method", "random", "--episodes", "1", "--steps", "2", "--out", str(out)
        )
        assert done.returncode == 1
        assert done.stderr.startswith("error: /wayfarer/replay is there already in ROS domain")
        assert f"(process {node.pid})" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert RunDirectory(out).episodes() == {}


# --- names ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["pick #2: [b] 'b' \"c\" $(env HOME) {d} \\ Würfel 测试 x:=y", "20241105"]
)
def test_a_run_is_recorded_in_the_very_folder_that_was_named(
    domain: int, tmp_path: Path, name: str
) -> None:
    words = ["--method", "random", "--episodes", "1", "--steps", "2"]
    done = subprocess.run(
        [str(VENV / "bin" / "wayfarer"), "collect", *words, "--out", name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180.0,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(RunDirectory(tmp_path / name).episodes()) == 1
    launched = wayfarer(
        "launch", "sim.launch.xml", f"run:={tmp_path / name}", "episodes:=2", "steps:=2"
    )
    assert launched.returncode == 0, launched.stderr
    assert len(RunDirectory(tmp_path / name).episodes()) == 2
    told = wayfarer("bag", "info", str(tmp_path / name), COLUMNS="400")
    assert name in told.stdout
    assert name in wayfarer("bag", "info", str(tmp_path / "no" / name)).stderr


def test_a_text_that_ros_would_cut_off_is_refused_by_the_node(domain: int) -> None:
    words = command("wayfarer_replay", "replay", "-p", "run:=pick #2")
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, env=os.environ)
    assert done.returncode == 1
    expected = (
        "replay: ConfigError: -p run:=pick #2: of this YAML ROS takes only 'pick'; a text is "
        "quoted, "
    )
    assert done.stderr == f"{expected}-p 'run:=\"pick #2\"'\n"


# --- a method without its learner ---


@pytest.mark.slow
def test_a_collection_that_waits_for_a_learner_nobody_started_says_so_within_seconds(
    domain: int, tmp_path: Path
) -> None:
    words = ["launch", "sim.launch.xml", f"run:={tmp_path}/run", "method:=goal", "learning:=false"]
    with process([str(VENV / "bin" / "wayfarer"), *words]) as launch:
        assert launch.stdout is not None
        for line in launch.stdout:
            if (
                "learner: not heard of; novelty: not heard of; method goal learns: learning:=true "
                "starts them" in line
            ):
                break
        else:
            raise AssertionError("the launch ended before it said what it waits for")

        assert launch.poll() is None
        launch.send_signal(signal.SIGINT)
        launch.communicate(timeout=DEADLINE)
