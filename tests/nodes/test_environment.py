"""The environment that `make` builds, in a shell that has sourced another ROS.

Its own packages come first.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rclpy.utilities import get_available_rmw_implementations

PREFIX = Path(sys.prefix)
PACKAGES = (
    "rclpy",
    "sensor_msgs",
    "std_srvs",
    "ament_index_python",
    "numpy",
    "yaml",
    "wayfarer_common",
    "wayfarer_msgs",
)
LIBRARIES = ("librcl.so", "librcutils.so", "librmw_implementation.so", "librmw_fastrtps_cpp.so")
DEADLINE = 120.0  # s
HIDDEN = ("LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")


@pytest.fixture
def sourced(tmp_path: Path) -> dict[str, str]:
    """What `source /opt/ros/jazzy/setup.bash` sets, with packages of another Python and libraries
    of another build.
    """
    ros = tmp_path / "opt" / "ros" / "jazzy"
    packages = ros / "lib" / "python3.12" / "site-packages"
    for name in PACKAGES:
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text(
            f"raise ImportError('{name} of another ROS')\n"
        )
        index = ros / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True, exist_ok=True)
        (index / name).touch()

    (packages / "only_theirs.py").touch()
    for name in LIBRARIES:
        (ros / "lib" / name).write_bytes(b"no library of this build")

    inherited = {name: value for name, value in os.environ.items() if name not in HIDDEN}

    return inherited | {
        "PYTHONPATH": str(packages),
        "AMENT_PREFIX_PATH": str(ros),
        "LD_LIBRARY_PATH": f"{ros / 'lib'}",
        "ROS_DISTRO": "jazzy",
    }


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=DEADLINE)


CODE = """
import os, sys, rclpy, sensor_msgs.msg, wayfarer_msgs.msg
from ament_index_python.packages import get_package_prefix
rclpy.init()
rclpy.create_node("it")
import only_theirs
print(get_package_prefix("rclpy"), get_package_prefix("wayfarer_msgs"))
print(*os.environ["LD_LIBRARY_PATH"].split(":"))
"""


@pytest.mark.parametrize("seed", ["0", "1", "2", "3"])
def test_ros_starts_from_the_environment_s_own_packages_and_libraries(
    sourced: dict[str, str], domain: int, seed: str
) -> None:
    done = run(
        sourced | {"PYTHONHASHSEED": seed, "ROS_DOMAIN_ID": str(domain)},
        str(PREFIX / "bin/python"),
        "-c",
        CODE,
    )
    assert done.returncode == 0, done.stderr
    prefixes, libraries = done.stdout.splitlines()
    assert prefixes.split() == [str(PREFIX), str(PREFIX)]
    theirs = sourced["LD_LIBRARY_PATH"]
    assert libraries.split()[-1] == theirs, "what the shell brought stays, behind our own"
    assert all(path.startswith(str(PREFIX)) for path in libraries.split()[:-1])


def test_a_process_that_found_other_wheels_libraries_finds_ours(
    sourced: dict[str, str], domain: int
) -> None:
    """As when a program of another environment of ROS wheels starts ours."""
    found = sourced | {"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1", "ROS_DOMAIN_ID": str(domain)}
    done = run(found, str(PREFIX / "bin/python"), "-c", CODE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "left_out",
    [(), ("PYTHONPATH",), ("LD_LIBRARY_PATH",), ("AMENT_PREFIX_PATH",)],
    ids=lambda names: "_".join(names) or "all",
)
def test_wayfarer_stop_works_in_such_a_shell(
    sourced: dict[str, str], domain: int, left_out: tuple[str, ...]
) -> None:
    shell = {name: value for name, value in sourced.items() if name not in left_out} | {
        "ROS_DOMAIN_ID": str(domain)
    }
    done = run(shell, str(PREFIX / "bin/wayfarer"), "stop", "--timeout", "1")
    assert (
        done.stderr
        == "error: nobody offers /wayfarer/control/hold within 1 s: use the robot's own stop button\n"
    )


def test_the_launch_files_are_found_in_such_a_shell(sourced: dict[str, str]) -> None:
    done = run(sourced, str(PREFIX / "bin/wayfarer"), "launch", "sim.launch.xml", "--show-args")
    assert done.returncode == 0, done.stderr


def test_arguments_and_the_order_of_packages_otherwise_stay_as_they_are(tmp_path: Path) -> None:
    words = ["a b", "#c", "", "-x", "'", "ü"]
    bare = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    code = "import sys; print(sys.argv[1:], *sys.path, sep='\\n')"
    arguments, *plain = run(
        bare, str(PREFIX / "bin/python"), "-c", code, *words
    ).stdout.splitlines()
    assert arguments == str(words)
    more = [str(tmp_path / "b"), str(tmp_path / "a")]
    _, *path = run(
        bare | {"PYTHONPATH": ":".join(more)}, str(PREFIX / "bin/python"), "-c", code
    ).stdout.splitlines()
    assert path == [*plain, *more]


# --- what else a shell brings along ---


def test_there_is_one_middleware_to_fall_back_to() -> None:
    assert get_available_rmw_implementations() == {"rmw_fastrtps_cpp"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"ROS_DOMAIN_ID": "abc"},
            ["error: ROS_DOMAIN_ID='abc' must be a number from 0 to 232: use the robot's own"],
        ),
        (
            {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"},
            ["error: ROS_AUTOMATIC_DISCOVERY_RANGE=OFF: no node would find another"],
        ),
        (
            {"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"},
            ["note: RMW_IMPLEMENTATION=rmw_zenoh_cpp is not installed", "error: nobody"],
        ),
        (
            {"HOME": "/proc/nowhere", "ROS_HOME": ""},
            ["note: HOME is /proc/nowhere, where nothing can be written", "error: nobody"],
        ),
        (
            {"ROS_SECURITY_ENABLE": "true"},
            ["error: ROS_SECURITY_ENABLE=true: only an installed ROS"],
        ),
        (
            {"RCUTILS_LOGGING_USE_STDOUT": "maybe"},
            ["error: RCUTILS_LOGGING_USE_STDOUT=maybe must be 0 or 1"],
        ),
        ({"PYTHONIOENCODING": "ascii"}, ["error: nobody offers"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_surroundings_get_one_line_each(
    domain: int, variables: dict[str, str], words: list[str]
) -> None:
    done = run(os.environ | variables, str(PREFIX / "bin/wayfarer"), "stop", "--timeout", "1")
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert len(said) == len(words), done.stderr
    for line, word in zip(said, words, strict=True):
        assert line.startswith(word)

    assert done.stdout == ""


def test_a_namespace_that_is_none_gets_one_line(domain: int) -> None:
    done = run(
        dict(os.environ),
        str(PREFIX / "bin/wayfarer"),
        "stop",
        "--timeout",
        "1",
        "--namespace",
        "my arm",
    )
    assert done.stderr.startswith("error: namespace 'my arm' is none: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("platform", ["glx", "osmesa", "egl", ""])
def test_pyopengl_draws_as_mujoco_is_told_to(platform: str) -> None:
    done = run(os.environ | {"PYOPENGL_PLATFORM": platform}, sys.executable, "-c", DRAW)
    assert (done.returncode, done.stdout) == (0, "(8, 8, 3)\n"), done.stderr


DRAW = """
import mujoco
from wayfarer_sim.rendering import Renderer
world = '<mujoco><worldbody><camera name="c"/><geom size="1"/></worldbody></mujoco>'
model = mujoco.MjModel.from_xml_string(world)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
print(Renderer(model).render(data, "c", 8, 8).shape)
"""


def test_a_notebook_s_backend_for_figures_keeps_no_command_from_drawing(tmp_path: Path) -> None:
    notebook = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    board = tmp_path / "board.png"
    done = run(notebook, str(PREFIX / "bin/wayfarer"), "calibrate", "camera", "board", str(board))
    assert done.returncode == 0, done.stderr
    assert board.stat().st_size > 1000


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_name_can_be_printed_whatever_the_terminal_s_letters(
    tmp_path: Path, encoding: str
) -> None:
    board = tmp_path / "Würfel 测试.png"
    done = subprocess.run(
        [str(PREFIX / "bin/wayfarer"), "calibrate", "camera", "board", str(board)],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    assert "Würfel 测试".encode(encoding, errors="backslashreplace") in done.stdout
    assert board.exists()
