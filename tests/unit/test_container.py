"""Dockerfile and devcontainer against docs/install.md: the same steps in the same order.

None is built here.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# what the recipe needs no word for: an image begins with neither a package list nor rosdep's rules
MORE = {"apt-get update", "rosdep update --rosdistro $ROS_DISTRO", "rm -rf /var/lib/apt/lists/*"}
DRAWING = {"libegl1", "libegl-mesa0", "libgl1-mesa-dri"}  # without a display
OF_IMAGES = (" --no-cache-dir", " --no-install-recommends")


def recipe() -> list[str]:
    """The steps of docs/install.md for an installed ROS 2, up to the launch."""
    text = (ROOT / "docs" / "install.md").read_text()
    block = re.search(r"```\n(source /opt/ros.*?)```", text, re.DOTALL)
    assert block
    lines = [line.partition("  #")[0].strip() for line in block[1].splitlines()]
    steps = [step.strip() for line in lines for step in line.split("&&") if step.strip()]

    return [
        step.replace("sudo apt install", "apt-get install -y")
        for step in steps
        if "ros2 launch" not in step
    ]


def image() -> list[str]:
    """The steps of the Dockerfile's RUN lines."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace(
        "\\\n", " "
    )
    steps = [
        step
        for line in text.splitlines()
        if line.startswith("RUN ")
        for step in line[4:].split("&&")
    ]
    for words in OF_IMAGES:
        steps = [step.replace(words, "") for step in steps]

    return [re.sub(r"\s+", " ", step).strip().replace('"', "") for step in steps]


def packages(step: str) -> set[str]:
    return {*step.split()[3:]}


def test_the_image_takes_each_step_of_the_recipe_in_its_order_and_no_other() -> None:
    wanted, taken = (
        recipe(),
        [step for step in image() if step not in MORE and "entrypoint" not in step],
    )
    assert len(wanted) >= 10
    assert taken, "the Dockerfile has no steps"
    apt = [
        [step for step in steps if step.startswith("apt-get install")] for steps in (wanted, taken)
    ]
    assert packages(apt[1][0]) == packages(apt[0][0]) | DRAWING
    rest = [
        [step for step in steps if not step.startswith(("apt-get", "source "))]
        for steps in (wanted, taken)
    ]
    assert rest[1] == rest[0]


def test_what_is_sourced_in_the_recipe_is_sourced_in_the_image() -> None:
    sourced = {
        step.split()[1].replace("/wayfarer/", "") for step in recipe() if step.startswith("source ")
    }
    text = (ROOT / "Dockerfile").read_text().replace("/wayfarer/", "")
    assert len(sourced) == 3
    assert all(f"source {file}" in text for file in sourced), sourced


def test_the_image_is_of_a_release_that_the_recipe_is_for() -> None:
    [base] = re.findall(r"^FROM (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base == "ros:jazzy-ros-base"


def test_the_devcontainer_is_of_that_dockerfile_and_builds_the_checkout_as_the_recipe_does() -> (
    None
):
    folder = ROOT / ".devcontainer"
    told = json.loads((folder / "devcontainer.json").read_text())
    assert (folder / told["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (folder / told["build"]["context"]).resolve() == ROOT
    [build] = [step for step in recipe() if "colcon build" in step]
    assert build in [step.strip() for step in told["postCreateCommand"][-1].split("&&")]


def test_what_a_build_makes_or_keeps_here_does_not_go_into_the_image() -> None:
    ignored = {*(ROOT / ".dockerignore").read_text().split()}
    assert {".git", ".venv*", "build*", "install", "log", "runs"} <= ignored
