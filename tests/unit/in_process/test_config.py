from dataclasses import replace
from pathlib import Path

import pytest
from wayfarer_core.errors import ConfigError
from wayfarer_in_process.config import Configuration, configuration_of, configuration_of_run
from wayfarer_launch.launch_file import read_launch_file

LAUNCH = Path(__file__).parents[3] / "launch"


def read(config: Path | None = None, **given: str) -> Configuration:
    words = {"run": "/tmp/run", "method": "random", **given} | (
        {"config": str(config)} if config else {}
    )
    return configuration_of(read_launch_file(LAUNCH / "sim.launch.xml", words, lambda _: LAUNCH))


def written(folder: Path, node: str, line: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(f"/**/{node}:\n  ros__parameters: {{{line}}}\n")
    return file


def test_the_nodes_parameters_are_those_of_launch_file_and_parameter_file() -> None:
    configuration = read(episodes="5", steps="30", seed="3", schedule="overlapped")
    plan = configuration.collector
    assert (plan.method, plan.episodes, plan.steps, plan.seed) == ("random", 5, 30, 3)
    assert plan.schedule == "overlapped"
    assert configuration.namespace == "/wayfarer"
    assert configuration.control.workspace_min == (0.36, -0.35, -0.08)
    assert configuration.control.max_age == 0.25  # in no file: the node's own default


def test_another_parameter_file_takes_the_place_of_the_default(tmp_path: Path) -> None:
    configuration = read(written(tmp_path, "control", "max_speed: 0.1"))
    assert configuration.control.max_speed == 0.1


def test_learner_and_novelty_are_described_only_where_the_method_learns() -> None:
    assert set(read().description()) == {"sim_bridge", "camera", "control", "actor", "collector"}
    learning = read(method="goal", learning="true", seed="9")
    assert {"learner", "novelty"} <= set(learning.description())
    assert (learning.learner.seed, learning.novelty.seed, learning.learner.method) == (9, 9, "goal")


def test_the_description_says_that_no_transport_lay_between_and_holds_plain_values() -> None:
    description = read().description()
    assert description["collector"]["transport"] == "in process"
    assert description["control"]["workspace_max"] == [0.8, 0.35, 0.388]


@pytest.mark.parametrize(
    ("node", "line", "complaint"),
    [
        ("control", "max_sped: 1.0", "unknown parameter 'max_sped'"),
        ("control", "max_speed: 7.0", r"outside \[0.0, 1.0\]"),
        ("control", "max_speed: 1", "not of the type of 0.0"),
        ("sim_bridge", "image_width: true", "not of the type of 84"),
        ("control", "workspace_min: 0.1", "not of the type of"),
        ("control", "workspace_min: [0.0, 0.0]", "needs 3 numbers"),
        ("camera", "source: video", "camera.source must be topic"),
        ("replay", "camera_images: true", "without the node replay: take out its camera_images"),
    ],
)
def test_what_a_node_would_refuse_or_what_needs_ros_is_refused_by_name(
    node: str, line: str, complaint: str, tmp_path: Path
) -> None:
    file = written(tmp_path, node, line)
    with pytest.raises(ConfigError, match=complaint):
        read(file)


def test_the_launch_file_s_own_word_wins_over_the_parameter_file_and_is_checked_too(
    tmp_path: Path,
) -> None:
    assert read(written(tmp_path, "actor", "method: guess")).actor.method == "random"
    with pytest.raises(ConfigError, match="method:=guess is not one of goal,"):
        read(method="guess")


def test_a_scene_that_somebody_puts_back_needs_ros(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"collector\.scene_reset must be none"):
        read(written(tmp_path, "collector", "scene_reset: sweep"))


def test_the_wall_clock_needs_ros() -> None:
    with pytest.raises(ConfigError, match="no wall clock"):
        read(lockstep="false")


def test_one_process_has_one_number_of_threads(tmp_path: Path) -> None:
    assert read(method="goal", learning="true", threads="2").novelty.threads == 2
    config = tmp_path / "config.yaml"
    config.write_text("/**/learner:\n  ros__parameters: {threads: 4}\n")

    # the launch file has the say
    assert read(config, method="goal", learning="true", threads="2").learner.threads == 2
    parameters = {"learner": 2, "novelty": 1}
    launch = read_launch_file(
        LAUNCH / "sim.launch.xml",
        {"run": "/tmp/run", "learning": "true", "method": "goal"},
        lambda _: LAUNCH,
    )
    nodes = tuple(
        replace(spec, parameters=(*spec.parameters, ("threads", str(parameters[spec.name]))))
        if spec.name in parameters
        else spec
        for spec in launch.nodes
    )

    with pytest.raises(ConfigError, match=r"learner\.threads is 2, novelty\.threads is 1"):
        configuration_of(replace(launch, nodes=nodes))


def test_a_node_without_its_limits_is_refused_as_the_node_itself_refuses(tmp_path: Path) -> None:
    launch = read_launch_file(
        LAUNCH / "sim.launch.xml", {"run": "/tmp/run", "method": "random"}, lambda _: LAUNCH
    )
    nodes = tuple(
        replace(spec, parameters=()) if spec.name == "control" else spec for spec in launch.nodes
    )
    with pytest.raises(
        ConfigError,
        match=r"node control was not given action_scale, max_step.*section /\*\*/control",
    ):
        configuration_of(replace(launch, nodes=nodes))


def test_a_run_recorded_before_there_was_a_bound_on_turns_is_read_all_the_same() -> None:
    recorded = read().description()
    del recorded["control"]["max_turn"]
    assert configuration_of_run({"configuration": recorded}, "").control.workspace_min == (
        0.36,
        -0.35,
        -0.08,
    )
