"""Who may know whom (docs/architecture.md), read off the imports.

And how large things may become.
"""

import ast
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARE = Path(sys.prefix) / "share"
NODES = sorted(p.parent.name for p in (ROOT / "ros_ws" / "src").glob("*/*/node.py"))
PACKAGES = sorted(
    p.parent
    for pattern in ("ros_ws/src/*", "policies/*", "sim/*", "*")
    for p in ROOT.glob(f"{pattern}/package.xml")
)
# What each package without ROS stands on.
FLOORS: dict[str, set[str]] = {
    "wayfarer_core": set(),
    "wayfarer_bags": {"wayfarer_core"},
    "wayfarer_data": {"wayfarer_core", "wayfarer_bags"},
    "wayfarer_export": {"wayfarer_core", "wayfarer_bags", "wayfarer_data"},
    "wayfarer_vision": {"wayfarer_core"},
    "wayfarer_serving": {"wayfarer_core"},
    "wayfarer_policies": {
        "wayfarer_core",
        "wayfarer_bags",
        "wayfarer_data",
        "wayfarer_vision",
        "wayfarer_serving",
    },
    "wayfarer_offline": {
        "wayfarer_core",
        "wayfarer_bags",
        "wayfarer_data",
        "wayfarer_vision",
        "wayfarer_policies",
    },
    "wayfarer_report": {
        "wayfarer_core",
        "wayfarer_bags",
        "wayfarer_data",
        "wayfarer_vision",
        "wayfarer_policies",
        "wayfarer_offline",
    },
    "wayfarer_sim": {"wayfarer_core"},
}
# Parts of a node that stand beside its node.py and speak to rclpy for it; everything else beside it
# is pure or handles messages at most.
SPEAK_ROS = {
    "wayfarer_collector/configuration.py",  # asks the other nodes for their parameters
    "wayfarer_collector/waiting.py",  # waits for futures of the executor's thread
    "wayfarer_collector/scene.py",  # services and actions that put the scene back
    "wayfarer_collector/collaborators.py",  # services and actions of the other nodes
    "wayfarer_ros2_control/panda.py",  # a second node, for the Panda's driver only
    "wayfarer_sim_bridge/sensors.py",  # the bridge's publishers
    "wayfarer_view/markers.py",  # builds the view's messages
}
# Packages of ros_ws that are neither nodes nor commands, and load no rclpy.
LIBRARIES = ("wayfarer_launch", "wayfarer_in_process", "wayfarer_paper")
SOURCES = sorted(
    path
    for folder in ("ros_ws/src", "policies", "sim", "launch")
    for path in (ROOT / folder).rglob("*.py")
    if "build" not in path.relative_to(ROOT).parts
)
MAX_FILE, MAX_BODY = 600, 60  # a longer file beats a compressed one
MAX_FOLDER, MAX_PACKAGE = 15, 4000


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Full dotted names of all that a file imports, wherever in the file.

    `from a import b` gives a.b.
    """
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            assert node.level == 0, f"{name_of(path)} imports relatively: .{module}"
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(
            node.func, "id", getattr(node.func, "attr", "")
        ) in (
            "__import__",
            "import_module",
        ):
            argument = node.args[0] if node.args else None

            # f"package.{choice}": its beginning tells the package
            if isinstance(argument, ast.JoinedStr):
                argument = argument.values[0]

            assert isinstance(argument, ast.Constant), (
                f"{name_of(path)} imports what only running it tells"
            )
            yield str(argument.value)


def is_ros(module: str) -> bool:
    """Say whether a module comes from ROS.

    An interface package, a client library, a build or launch tool.
    """
    top = module.split(".")[0]
    if top.startswith("wayfarer_") or top == "panda_sim":
        return top == "wayfarer_msgs"

    return (
        top.startswith(("rcl", "ament", "rosidl", "rosbag2", "launch", "tf2", "ros2", "rmw"))
        or top.endswith(("_msgs", "_srvs", "_interfaces"))
        or (SHARE / top / "package.xml").is_file()
    )


def modules_of(package: str) -> list[Path]:
    return [
        path
        for path in SOURCES
        if path.parent.name == package or package in path.relative_to(ROOT).parts[:-1]
    ]


def inside(package: str) -> list[Path]:
    return [path for path in modules_of(package) if path.name != "setup.py"]


def module_of(path: Path) -> str:
    """Return the dotted name of a file of a package."""
    root = next(folder for folder in path.parents if (folder / "package.xml").exists())
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def known_part(module: str, known: Container[str]) -> str:
    """Return the module that an import of `module` loads: itself, or the one it is a name in."""
    parts = module.split(".")
    return next(
        (name for k in range(len(parts), 0, -1) if (name := ".".join(parts[:k])) in known), ""
    )


def all_packages_of_ours() -> set[str]:
    return {path.name for path in PACKAGES}


# --- the reader itself ---


def test_there_is_something_to_read() -> None:
    assert len(SOURCES) > 40
    assert {"wayfarer_actor", "wayfarer_camera", "wayfarer_collector", "wayfarer_control"} <= set(
        NODES
    )
    assert {"wayfarer_replay", "wayfarer_sim_bridge"} <= set(NODES)
    for package in (*NODES, *FLOORS):
        assert inside(package), package


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    text = "import a.b, c\nfrom d import e\ndef f():\n    from g.h import i as j\n"
    text += "    __import__('k')\n    importlib.import_module(f'l.{j}')\n"
    written = tmp_path / "example.py"
    written.write_text(text)
    assert sorted(imports(written)) == ["a.b", "c", "d.e", "g.h.i", "k", "l."]


def test_ros_is_told_from_the_rest() -> None:
    for module in (
        "rclpy.node.Node",
        "std_srvs.srv",
        "sensor_msgs",
        "ament_index_python",
        "wayfarer_msgs.msg",
        "launch",
    ):
        assert is_ros(module), module

    for module in (
        "rosbags.typesys",
        "numpy",
        "wayfarer_core.names",
        "mcap.reader",
        "torch",
        "robosuite",
        "yaml",
    ):
        assert not is_ros(module), module


# --- who may know whom ---


def test_the_ground_floor_stands_on_numpy_alone() -> None:
    known = (*sys.stdlib_module_names, "wayfarer_core", "numpy", "yaml")
    for path in inside("wayfarer_core"):
        for module in imports(path):
            assert module.split(".")[0] in known, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("package", FLOORS)
def test_a_package_without_ros_knows_the_floors_below_it_and_no_others(package: str) -> None:
    for path in inside(package):
        for module in imports(path):
            assert not is_ros(module), f"{name_of(path)} imports {module}"
            top = module.split(".")[0]
            known = not top.startswith("wayfarer_") or top in FLOORS[package] | {package}
            assert known, f"{name_of(path)} imports {module}"


def test_no_floor_is_forgotten() -> None:
    assert FLOORS.keys() | {"panda_sim"} == {
        path.parent.name for path in ROOT.glob("policies/*/setup.py")
    } | {path.parent.name for path in ROOT.glob("sim/*/setup.py")}


def test_policies_know_no_simulator_and_sim_no_torch() -> None:
    for package in FLOORS:
        foreign = {"torch"} if package == "wayfarer_sim" else {"mujoco", "robosuite"}
        for path in inside(package):
            assert not {m.split(".")[0] for m in imports(path)} & foreign, name_of(path)


def test_the_simulated_panda_knows_neither_ros_nor_anything_of_wayfarer() -> None:
    for path in inside("panda_sim"):
        for module in imports(path):
            assert not is_ros(module), f"{name_of(path)} imports {module}"
            assert not module.startswith("wayfarer"), f"{name_of(path)} imports {module}"
            known = (*sys.stdlib_module_names, "panda_sim", "numpy", "mujoco")
            assert module.split(".")[0] in known, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("package", NODES)
def test_a_node_package_knows_no_other_node_package(package: str) -> None:
    allowed = {package, "wayfarer_common", "wayfarer_msgs", *FLOORS}
    for path in inside(package):
        for module in imports(path):
            top = module.split(".")[0]
            assert not top.startswith("wayfarer_") or top in allowed, (
                f"{name_of(path)} imports {module}"
            )


@pytest.mark.parametrize("package", ["wayfarer_common", "wayfarer_cli", *LIBRARIES])
def test_nobody_imports_a_node_package_but_its_parameters_may_be_read(package: str) -> None:
    for path in inside(package):
        for module in imports(path):
            top, *below = module.split(".")
            assert top not in NODES or below[:1] == ["params"], f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("package", NODES)
def test_the_parameters_of_a_node_stand_in_a_file_without_ros(package: str) -> None:
    [path] = [path for path in inside(package) if path.name == "params.py"]
    for module in imports(path):
        assert not is_ros(module), f"{name_of(path)} imports {module}"
        assert not module.startswith("wayfarer_common"), f"{name_of(path)} imports {module}"


def test_no_library_imports_a_commands_file() -> None:
    for package in ("wayfarer_common", *FLOORS, *NODES, *LIBRARIES):
        for path in inside(package):
            for module in imports(path):
                assert not module.startswith("wayfarer_cli"), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("package", LIBRARIES)
def test_what_is_no_node_and_no_command_does_not_speak_to_rclpy(package: str) -> None:
    speaking = (
        "rclpy",
        "wayfarer_common.run",
        "wayfarer_common.params",
        "wayfarer_common.contract",
    )
    for path in inside(package):
        for module in imports(path):
            assert not module.startswith(speaking), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("package", NODES)
def test_inside_a_node_package_only_the_node_speaks_to_rclpy(package: str) -> None:
    for path in inside(package):
        if path.name == "node.py" or f"{package}/{path.name}" in SPEAK_ROS:
            continue

        for module in imports(path):
            assert module.split(".")[0] != "rclpy", f"{name_of(path)} imports {module}"
            assert module not in ("wayfarer_common.run", "wayfarer_common.params"), name_of(path)
            assert not is_ros(module), f"{name_of(path)} imports {module}"


def test_every_exception_from_that_rule_is_still_one() -> None:
    for name in SPEAK_ROS:
        path = ROOT / "ros_ws" / "src" / name.split("/")[0] / name
        assert any(is_ros(module) for module in imports(path)), (
            f"{name} needs no exception any more"
        )


def test_the_launch_folder_holds_no_python() -> None:
    assert list((ROOT / "launch").rglob("*.py")) == []


# --- what a package says it needs ---


def declared(package: Path) -> set[str]:
    root = ET.parse(package / "package.xml").getroot()
    return {element.text or "" for element in root if element.tag in ("depend", "exec_depend")}


@pytest.mark.parametrize(
    "package", [p for p in PACKAGES if list(p.glob("*/__init__.py"))], ids=lambda p: p.name
)
def test_package_xml_declares_every_ros_package_that_is_imported(package: Path) -> None:
    own = {path.parent.name for path in package.glob("*/__init__.py")}
    imported = {
        module.split(".")[0] for path in package.glob("*/**/*.py") for module in imports(path)
    }
    needed = {top for top in imported if is_ros(top) or top.startswith("wayfarer_")} - own
    assert bool(needed) != (package.name in ("panda_sim", "wayfarer_core")), package.name
    assert needed <= declared(package), (
        f"{package.name}/package.xml lacks {sorted(needed - declared(package))}"
    )


# rosdep's keys of what Ubuntu and Debian package. The rest comes by pip, from the groups of
# pyproject.toml: rosdep has no key for it, or one that Ubuntu answers with a version of years ago
# (torch), or by a pip outside any environment.
ROSDEP = {
    "cv2": "python3-opencv",
    "h5py": "python3-h5py",
    "matplotlib": "python3-matplotlib",
    "numba": "python3-numba",
    "numpy": "python3-numpy",
    "PIL": "python3-pil",
    "rich": "python3-rich",
    "scipy": "python3-scipy",
    "typer": "python3-typer",
    "yaml": "python3-yaml",
}
BY_PIP = {
    *("backports", "fast_simplification", "franky", "lerobot", "lz4", "mcap", "mujoco", "panda_py"),
    *("pyarrow", "ray", "rerun", "robosuite"),
    *("rosbags", "safetensors", "tensorboard", "torch", "trimesh", "zstandard"),
}


@pytest.mark.parametrize(
    "package", [p for p in PACKAGES if list(p.glob("*/__init__.py"))], ids=lambda p: p.name
)
def test_package_xml_declares_rosdep_s_key_of_every_library_that_is_imported(package: Path) -> None:
    own = {path.parent.name for path in package.glob("*/__init__.py")}
    imported = {
        module.split(".")[0] for path in package.glob("*/**/*.py") for module in imports(path)
    }
    foreign = {
        top
        for top in imported - own - sys.stdlib_module_names
        if not is_ros(top) and not top.startswith("wayfarer_")
    }
    assert foreign <= ROSDEP.keys() | BY_PIP, "a library new here: has rosdep a key for it?"
    keys = {ROSDEP[top] for top in foreign if top in ROSDEP}
    assert keys == {key for key in declared(package) if key.startswith("python3-")}, (
        f"{package.name}/package.xml"
    )


def test_bringup_declares_what_reads_its_launch_files() -> None:
    assert {"ros2launch", "launch_ros", "launch_xml"} <= declared(ROOT / "launch")


def test_packages_declare_only_packages_of_ours_that_exist() -> None:
    known = all_packages_of_ours() | {"wayfarer_bringup"}
    for package in PACKAGES:
        for needed in declared(package):
            assert not needed.startswith("wayfarer_") or needed in known, (
                f"{package.name} needs {needed}"
            )


def test_bringup_declares_every_node_package_its_launch_files_start() -> None:
    files = (ROOT / "launch").glob("*.launch.xml")
    started = {
        node.attrib["pkg"] for file in files for node in ET.parse(file).getroot().iter("node")
    }
    assert started
    assert started <= declared(ROOT / "launch")


# --- how large things may become ---


def test_a_folder_holds_at_most_15_modules_and_a_package_4000_lines() -> None:
    packages = [path.parent for path in SOURCES if path.name == "setup.py"]
    for package in packages:
        files = [path for path in SOURCES if path.is_relative_to(package / package.name)]
        assert sum(len(path.read_text().splitlines()) for path in files) <= MAX_PACKAGE, (
            package.name
        )
        modules = Counter(path.parent for path in files if not path.name.startswith("__"))
        crowded = {name_of(folder) for folder, number in modules.items() if number > MAX_FOLDER}
        assert not crowded, crowded


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = {module_of(path): set(imports(path)) for path in SOURCES if path.name != "setup.py"}
    known = {
        m: {d for i in found if (d := known_part(i, graph)) and d != m}
        for m, found in graph.items()
    }
    while free := [m for m, found in known.items() if not found & known.keys()]:
        for module in free:
            del known[module]

    assert not known, f"in a circle, or above one: {sorted(known)}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_at_most_600_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_functions_body_is_at_most_60_lines(path: Path) -> None:
    lines = path.read_text().splitlines()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = lines[node.body[0].lineno - 1 : node.end_lineno]
            length = sum(bool(line.strip()) for line in body)
            assert length <= MAX_BODY, f"{node.name} has {length} lines"
