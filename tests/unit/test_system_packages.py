"""ros_ws/system.sh on machines that are not this one.

Apt, and what is installed, are stand-ins on PATH.
"""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "ros_ws" / "system.sh"
TOOLS = ("bash", "cat", "dirname", "mkdir", "tail", "id", "env", "rm", "touch", "chmod")


class Machine:
    """A PATH of its own, with an apt that has some packages."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            found = next(p for p in (Path("/bin") / tool, Path("/usr/bin") / tool) if p.exists())
            (self.bin / tool).symlink_to(found)

        for name in ("c++", "cmake", "ip"):
            self.program(name, "true")

        self.program("ldconfig", "echo libEGL.so.1 libGL.so.1 libOSMesa.so.8")
        self.program("sudo", 'exec "$@"')

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/bash\n{text}\n")
        (self.bin / name).chmod(0o755)

    def python(self, name: str, version: str, whole: bool = True) -> None:
        """A Python that says its version; one that is not whole lacks venv and its headers."""
        complaint = "" if whole else '[[ "$2" == *venv* || "$2" == *sysconfig* ]] && exit 1; '
        self.program(name, f'{complaint}[[ "$2" == *version_info* ]] && echo {version}; true')

    def apt(self, *packages: str, snaps: tuple[str, ...] = ()) -> None:
        known = " ".join((*packages, *snaps))
        self.program(
            "apt-cache",
            f"for p in {known}; do [ $p = $2 ] && [ $1 = policy ] && echo '  Candidate: 1.0'; "
            f"done\nfor p in {' '.join(snaps)}; do [ $p = $2 ] && [ $1 = depends ] && echo ' "
            "PreDepends: snapd'; done; true",
        )
        self.program("apt-get", f'echo "noise of apt: $*"; echo "$*" >> {self.folder}/asked')

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", SCRIPT, *words],
            env={"PATH": str(self.bin), "HOME": os.environ.get("HOME", "/")},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_first_supported_python_that_starts_is_taken(machine: Machine) -> None:
    machine.program("python3.11", "exit 127")  # as pyenv's, where another version is chosen
    machine.python("python3.12", "3.12")
    machine.python("python3.13", "3.13")
    done = machine.run("python")
    assert (done.returncode, done.stdout, done.stderr) == (0, "python3.12\n", "")
    assert machine.asked() == []


@pytest.mark.parametrize(
    ("offered", "taken"),
    [(["python3.13"], "python3.13"), (["python3.13", "python3.12"], "python3.12")],
)
def test_without_any_the_first_that_apt_has_is_installed_quietly(
    machine: Machine, offered: list[str], taken: str
) -> None:
    machine.apt(*offered)
    done = machine.run("python")
    assert (done.returncode, done.stdout) == (0, f"{taken}\n"), done.stderr
    wanted = f"{taken} {taken}-venv {taken}-dev"
    assert done.stderr == f"installing system packages: {wanted}\n", (
        "apt's own words are in the log"
    )
    assert machine.asked() == ["update", f"install -y --no-install-recommends {wanted}"]
    assert "noise of apt" in (machine.folder / "log/apt.log").read_text()


def test_only_what_a_python_lacks_is_installed(machine: Machine) -> None:
    machine.python("python3.12", "3.12", whole=False)
    machine.apt("python3.12")
    assert (
        machine.run("python").stderr
        == "installing system packages: python3.12-venv python3.12-dev\n"
    )


def test_where_nothing_fits_one_line_says_what_would(machine: Machine) -> None:
    machine.apt("python3.10", "python3.14")
    done = machine.run("python")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: there is none of python3.11 python3.12 python3.13 here, and apt offers none: "
        "install one, or say PYTHON=/path/to/python\n"
    )


@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("python3.10", "3.10", "must be one of python3.11 python3.12 python3.13"),
        ("gone", "", "does not start"),
    ],
)
def test_a_python_that_does_not_fit_is_refused_by_name(
    machine: Machine, name: str, version: str, why: str
) -> None:
    machine.python("python3.12", "3.12")
    if version:
        machine.python(name, version)

    done = machine.run("python", name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: PYTHON={name} ")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_python_that_is_asked_for_goes_before_the_first(machine: Machine) -> None:
    machine.python("python3.11", "3.11")
    machine.python("python3.13", "3.13")
    assert machine.run("python", "python3.13").stdout == "python3.13\n"


def test_without_apt_it_names_what_is_missing(machine: Machine) -> None:
    machine.python("python3.12", "3.12")
    (machine.bin / "cmake").unlink()
    done = machine.run("python")
    assert done.returncode == 1
    assert done.stderr == (
        "error: no apt here: install cmake with your system's own tool, then call make again\n"
    )


def test_apt_that_fails_says_its_last_words(machine: Machine) -> None:
    machine.python("python3.12", "3.12")
    (machine.bin / "cmake").unlink()
    machine.program("apt-get", "echo no network; exit 100")
    done = machine.run("python")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "no network",
        "error: apt-get update failed: all it said is in log/apt.log",
    ]


def test_chromium_is_installed_where_apt_has_it_and_a_snap_is_left_alone(machine: Machine) -> None:
    machine.apt("chromium")
    assert (
        machine.run("browser").stderr == "installing system packages: chromium fonts-dejavu-core\n"
    )
    machine.apt(snaps=("chromium",))
    done = machine.run("browser")
    assert (done.returncode, done.stderr) == (
        0,
        "apt has no chromium but a snap's, which sees no file of a test: tests that look at pages "
        "skip\n",
    )
