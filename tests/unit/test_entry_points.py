"""The programs of our packages: what they do before they do anything else."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def entry_points() -> list[tuple[Path, str]]:
    """(folder of the package, module:function) of every program of ours."""
    found = []
    for setup in sorted((ROOT / "ros_ws" / "src").glob("*/setup.py")):
        text = setup.read_text()
        if "console_scripts" in text:
            found.append(
                (setup.parent, text.split("console_scripts")[1].split('"')[2].split(" = ")[1])
            )

    return found


def test_every_program_of_ours_heeds_signals_before_it_imports_anything_heavy() -> None:
    assert len(entry_points()) == 13
    for folder, entry in entry_points():
        module, function = entry.split(":")
        assert (module, function) == (f"{folder.name}.__main__", "main")
        lines = (folder / folder.name / "__main__.py").read_text().splitlines()
        top = [line for line in lines if line.startswith(("import", "from"))]
        assert {line for line in top if "wayfarer_common.lifetime" not in line} <= {"import os"}, (
            folder.name
        )
        body = lines[
            lines.index(
                '    """Run the node."""'
                if "cli" not in folder.name
                else '    """Run the command."""'
            )
            + 1 :
        ]
        assert body[0] in ("    begin_node()", "    begin_command()"), folder.name


def test_every_node_package_is_a_program_as_well() -> None:
    nodes = {path.parent.name for path in (ROOT / "ros_ws" / "src").glob("*/*/node.py")}
    assert {folder.name for folder, _ in entry_points()} == nodes | {"wayfarer_cli"}


def test_the_lightest_of_imports_bring_no_ros_no_numpy_no_torch() -> None:
    code = (
        "import sys, wayfarer_common.lifetime; print(*{'rclpy', 'numpy', 'torch', 'yaml', 'rich'} "
        "& sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60.0
    )
    assert done.stdout == "\n", done.stderr
