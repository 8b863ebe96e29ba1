"""Faults really injected into whole runs.

What is stored stays readable, and the message names the cause.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.graph import VENV, nodes_of, wait_for, wayfarer
from wayfarer_bags.bag import read_episode
from wayfarer_bags.run_directory import RunDirectory

pytestmark = pytest.mark.slow

NODES = {
    "sim_bridge": "wayfarer_sim_bridge",
    "camera": "wayfarer_camera",
    "control": "wayfarer_control",
    "actor": "wayfarer_actor",
    "replay": "wayfarer_replay",
    "collector": "wayfarer_collector",
}


STEPS = 40  # of an episode; long enough to be caught in its middle


def words_of(run: Path, episodes: int = 1, steps: int | None = None) -> list[str]:
    """Return a collection's words; without steps it takes the command's own."""
    words = ["collect", "--method", "random", "--episodes", str(episodes), "--out", str(run)]
    return words if steps is None else [*words, "--steps", str(steps)]


def start(run: Path, episodes: int = 1000, steps: int = STEPS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(VENV / "bin" / "wayfarer"), *words_of(run, episodes, steps)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def in_the_middle_of_an_episode(run: Path) -> bool:
    """Say whether an episode is closed and the next has something in it."""
    if not (run / "metadata.yaml").exists():
        return False
    torn = list(RunDirectory(run).torn().values())
    return bool(RunDirectory(run).episodes()) and bool(torn) and torn[0].stat().st_size > 20_000


@pytest.fixture
def running(domain: int, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    run = tmp_path / "run"
    process = start(run)
    try:
        wait_for(
            lambda: in_the_middle_of_an_episode(run) or process.poll() is not None,
            "a second episode",
            120.0,
        )
        assert process.poll() is None, process.communicate()[0]
        yield process, run
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def check_that_the_run_can_be_trusted_and_continued(run: Path) -> None:
    closed = RunDirectory(run).episodes()
    for path in closed.values():
        read_episode(path)

    info = wayfarer("bag", "info", str(run), "--json")
    assert info.returncode == 0, info.stderr
    torn = RunDirectory(run).torn()
    assert [t["file"] for t in json.loads(info.stdout)["torn"]] == [p.name for p in torn.values()]
    used = [*closed, *torn]
    finished = sum(
        e.end != 3 for e in (read_episode(p, with_images=False).info for p in closed.values())
    )
    again = wayfarer(*words_of(run, finished + 1, STEPS))
    assert again.returncode == 0, again.stderr
    assert max(RunDirectory(run).episodes()) == max(used) + 1
    assert RunDirectory(run).torn() == torn, "what was torn stays until somebody recovers it"


@pytest.mark.parametrize("name", NODES)
def test_a_killed_node_takes_the_run_down_by_name_and_loses_only_the_open_episode(
    running: tuple[subprocess.Popen[str], Path], name: str
) -> None:
    process, run = running
    os.kill(nodes_of()[NODES[name]], signal.SIGKILL)
    killed = time.monotonic()
    output, _ = process.communicate(timeout=30.0)
    assert time.monotonic() - killed < 6.0
    assert process.returncode == 1
    assert f"{name} was killed by SIGKILL" in output
    assert nodes_of() == {}
    assert len(RunDirectory(run).torn()) == (name == "replay")
    check_that_the_run_can_be_trusted_and_continued(run)


def test_killing_everything_at_once_loses_only_the_open_episode(
    running: tuple[subprocess.Popen[str], Path],
) -> None:
    process, run = running
    nodes = nodes_of()

    # it would end the others, cleanly, when it saw the first one gone
    process.send_signal(signal.SIGSTOP)

    for pid in (*nodes.values(), process.pid):  # and so would the kernel, were it killed first
        os.kill(pid, signal.SIGKILL)

    process.communicate(timeout=30.0)
    wait_for(lambda: not nodes_of(), "all nodes to be gone", 10.0)
    assert len(RunDirectory(run).torn()) == 1
    check_that_the_run_can_be_trusted_and_continued(run)


def test_killing_the_launcher_alone_leaves_no_orphan(
    running: tuple[subprocess.Popen[str], Path],
) -> None:
    process, run = running
    process.kill()
    wait_for(lambda: not nodes_of(), "all nodes to be gone", 10.0)
    assert RunDirectory(run).torn() == {}, "the recorder had time to close its file"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_within_five_seconds_with_all_files_closed(
    running: tuple[subprocess.Popen[str], Path], number: signal.Signals
) -> None:
    process, run = running
    process.send_signal(number)
    sent = time.monotonic()
    output, _ = process.communicate(timeout=30.0)
    assert time.monotonic() - sent < 5.0
    assert process.returncode == 128 + number
    assert "Traceback" not in output
    assert nodes_of() == {}
    assert RunDirectory(run).torn() == {}


def test_a_full_disk_ends_the_run_with_a_message_and_keeps_what_is_stored(
    domain: int, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full disk needs the right to mount a small tmpfs (run as root)")

    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)], check=True)

    try:
        process = start(disk / "run", steps=100)
        output, _ = process.communicate(timeout=150.0)
        assert process.returncode == 1
        assert "No space left on device" in output
        assert "replay ended with exit code 1" in output
        episodes = RunDirectory(disk / "run").episodes()
        assert len(episodes) >= 1
        assert all(read_episode(p).lost_steps == 0 for p in episodes.values())
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_two_runs_in_one_domain_are_refused(
    running: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    done = wayfarer(*words_of(tmp_path / "other", steps=5))
    assert running[0].poll() is None, f"the first run ended: {running[0].communicate()[0]}"
    assert done.returncode == 1
    assert "ROS_DOMAIN_ID" in done.stderr


def test_two_recorders_of_one_run_are_refused(running: tuple[subprocess.Popen[str], Path]) -> None:
    done = wayfarer(*words_of(running[1], 5000, STEPS), ROS_DOMAIN_ID="101")
    assert done.returncode == 1
    assert "another recorder" in done.stderr


def test_a_run_is_not_continued_with_another_configuration(domain: int, tmp_path: Path) -> None:
    for steps, code in ((10, 0), (11, 1)):
        done = wayfarer(*words_of(tmp_path / "run", steps - 9, steps))
        assert done.returncode == code, done.stderr

    assert "collector.steps was 10, is 11" in done.stderr


def test_a_directory_of_something_else_is_left_alone(domain: int, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    done = wayfarer(*words_of(tmp_path, steps=5))
    assert done.returncode == 1
    assert "is not a run" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_output_that_cannot_be_written_is_named(domain: int, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = wayfarer(*words_of(tmp_path / "file" / "run", steps=5))
    assert done.returncode == 1
    assert "cannot write to" in done.stderr


def test_missing_egl_is_named_with_what_to_install(domain: int, tmp_path: Path) -> None:
    hidden = {
        "__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path),
        "__EGL_VENDOR_LIBRARY_FILENAMES": "",
        "MUJOCO_GL": "egl",
    }
    done = wayfarer(*words_of(tmp_path / "run", steps=5), **hidden)
    assert done.returncode == 1
    assert "libegl1" in done.stderr
    assert "sim_bridge ended with exit code 1" in done.stderr


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("    max_speeed: 0.3\n", "unknown parameter 'max_speeed'"),
        ("    max_speed: 30.0\n", "max_speed"),
        ("    max_speed: fast\n", "max_speed"),
    ],
)
def test_a_wrong_configuration_is_named(
    domain: int, tmp_path: Path, change: str, complaint: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("/**/control:\n  ros__parameters:\n" + change)
    done = wayfarer(*words_of(tmp_path / "run"), "--config", str(config))
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "control ended with exit code 1" in done.stderr


def test_a_misspelt_node_in_a_configuration_is_named(domain: int, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("/**/contrl:\n  ros__parameters:\n    max_speed: 0.3\n")
    done = wayfarer(*words_of(tmp_path / "run"), "--config", str(config))
    assert done.returncode == 1
    assert "contrl" in done.stderr
