"""The wayfarer command: one function for each subcommand."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from wayfarer_common import lifetime
from wayfarer_common.surroundings import RANGE
from wayfarer_core.errors import ConfigError, WayfarerError
from wayfarer_core.options import NO_DEVICE
from wayfarer_core.targets import CLOSED, WIDEST
from wayfarer_report.console import plain

from wayfarer_cli.bag import bag
from wayfarer_cli.calibrate import calibrate
from wayfarer_cli.export import export
from wayfarer_cli.paper import paper
from wayfarer_cli.recipe import Recipe
from wayfarer_cli.train.command import train

if TYPE_CHECKING:
    from wayfarer_launch.collection import Collection

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
# order of the commands in `wayfarer --help`
_ACT, _LOOK, _LEARN = "Let an arm act", "Look at what was recorded", "Learn from it"
_errors = plain(stderr=True)


# base class of all of click's errors; typer exports only this one
_WrongUsage: Any = typer.BadParameter.__base__


def _say_version(wanted: bool) -> None:
    if wanted:
        from wayfarer_core.provenance import made_by

        print(made_by())
        raise typer.Exit


@app.callback()
def wayfarer(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Let a Franka arm gather diverse data by itself, and learn from it offline.

    Start with `wayfarer collect --target sim --method random --episodes 4 --out runs/first`, then
    look at the run with `wayfarer bag info runs/first`.
    """


Target = Literal["sim", "hardware"]
Collecting = Literal[
    "goal", "goal-random", "goal-min", "rnd", "random", "random-correlated", "external", "teleop"
]
LearningSchedule = Literal["sequential", "overlapped"]
Method = Annotated[
    Collecting,
    typer.Option(
        help="How to collect: [b]goal[/b] (to the most novel image seen), its ablations "
        "[b]goal-random[/b] and [b]goal-min[/b], [b]rnd[/b] (novelty as reward), "
        "[b]random[/b], [b]random-correlated[/b], [b]external[/b] (as --policy says), "
        "[b]teleop[/b] (a person acts, with --device)."
    ),
]
Device = Annotated[
    Literal["keyboard", "gamepad", "spacemouse", "topic"] | None,
    typer.Option(
        help="Device with which a person acts, or takes over from the policy: [b]keyboard[/b] "
        "(this terminal), [b]gamepad[/b], [b]spacemouse[/b] (by ROS's drivers), [b]topic[/b] "
        "(teleop/twist). The simulator then runs on the wall clock."
    ),
]
GripperWidth = Annotated[
    float,
    typer.Option(
        min=CLOSED,
        max=WIDEST,
        help="Width that the gripper opens to [m], which makes it the fourth number of an action: "
        "-1 opens, 1 closes. 0: it stays closed.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        help="Torch's threads for learning; acting uses one. The number affects the last bits. "
        "Default: as the run was begun; a new run uses all cores, or one if it learns while it "
        "acts.",
    ),
]


LerobotPython = Annotated[
    Path | None,
    typer.Option(
        "--lerobot-python",
        envvar="LEROBOT_PYTHON",
        help=(
            "For lerobot:FOLDER: the Python of an environment with LeRobot; default: that of `make "
            ".venv/.loaders`."
        ),
    ),
]


@app.command(rich_help_panel=_ACT)
def collect(
    out: Annotated[
        Path, typer.Option(help="Directory of the run; created, or continued where it holds one.")
    ],
    target: Annotated[Target, typer.Option(help="What acts: the simulator, or an arm.")] = "sim",
    method: Method = "goal",
    episodes: Annotated[
        int,
        typer.Option(
            min=1, help="Episodes that the run shall hold in the end, including those it has."
        ),
    ] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Actions per episode.")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of policy and world; episode k draws from (seed, k).")
    ] = 0,
    recipe: Recipe = "practical",
    schedule: Annotated[
        LearningSchedule,
        typer.Option(
            help=(
                "[b]sequential[/b]: learn after each episode; [b]overlapped[/b]: while the next "
                "runs."
            )
        ),
    ] = "sequential",
    config: Annotated[
        Path | None, typer.Option(help="Parameter file of the nodes, in place of the default.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help=(
                "For method external: [b]external:HOST:PORT[/b], a policy server; or "
                "[b]lerobot:FOLDER[/b]."
            )
        ),
    ] = None,
    lerobot_python: LerobotPython = None,
    threads: Threads = None,
    device: Device = None,
    wrist: Annotated[
        bool, typer.Option("--wrist", help="Record a second camera, in the hand, too.")
    ] = False,
    gripper_width: GripperWidth = CLOSED,
    in_process: Annotated[
        bool,
        typer.Option(
            "--in-process",
            help="Simulator, policy and learner in one process, without ROS.",
        ),
    ] = False,
    robot: Annotated[
        Literal["fr3", "panda"] | None, typer.Option(help="Hardware only: which arm.")
    ] = None,
    robot_ip: Annotated[
        str | None, typer.Option(help="Hardware only: the robot's address.")
    ] = None,
    backend: Annotated[
        Literal["bridge", "ros2_control"] | None,
        typer.Option(help="Hardware only: what moves the arm."),
    ] = None,
) -> None:
    """Collect episodes into a rosbag.

    Ctrl-C ends it cleanly; the same command continues the run.
    """
    from wayfarer_launch.collection import Collection, Hardware

    hardware, hand = Hardware(robot, robot_ip, backend), device or NO_DEVICE
    wanted = Collection(
        target,
        method,
        episodes,
        steps,
        seed,
        out,
        schedule,
        config,
        recipe,
        threads,
        hardware,
        hand,
        wrist=wrist,
        gripper_width=gripper_width,
    )
    if (policy is not None) != (method == "external"):
        raise ConfigError(
            "--policy and --method external belong together: a policy server acts, and which"
        )

    if policy is None:
        _collect(wanted, in_process, lambda: None)
        return

    from wayfarer_launch.policy_server import served

    with served(policy, lerobot_python) as server:
        _collect(replace(wanted, server=(server.address, server.policy)), in_process, server.check)


def _collect(wanted: "Collection", in_process: bool, meanwhile: Callable[[], None]) -> None:
    if in_process:
        from wayfarer_in_process.run import collect_in_process

        collect_in_process(wanted)
    else:
        from wayfarer_cli.collect import collect_episodes

        collect_episodes(wanted, meanwhile)


@app.command(rich_help_panel=_LEARN)
def evaluate(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="A policy of [b]wayfarer train bcq[/b].")
    ] = None,
    goals: Annotated[
        Path | None,
        typer.Option(
            help="Instead: a run collected by [b]goal[/b]; its policy is sent to its stored images."
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Instead: an external policy, [b]lerobot:FOLDER[/b], a pretrained_model of "
            "LeRobot, or [b]external:HOST:PORT[/b], a policy server; or a baseline, [b]random[/b] "
            "or [b]random-correlated[/b]."
        ),
    ] = None,
    task: Annotated[
        str, typer.Option(help="With --policy: the task that counts as success, as in `train bcq`.")
    ] = "",
    lerobot_python: LerobotPython = None,
    episodes: Annotated[int, typer.Option(min=1, help="Number of episodes, or of goals.")] = 20,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Actions of each; default 200, with --goals 50.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the policy, the world and the draw of goals.")
    ] = 0,
    in_process: Annotated[
        bool,
        typer.Option("--in-process", help="The same episodes in one process, without ROS."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Run to record into; default: beside the checkpoint.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Parameter file of the nodes, in place of the default.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help=(
                "With --goals: a sheet of goals and endings (.png), or a film of the policy (.gif)."
            )
        ),
    ] = None,
    gripper_width: GripperWidth = CLOSED,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object instead of a table.")
    ] = False,
) -> None:
    """Success rate of a policy at its task, over the ROS nodes and recorded as a run; 95 %
    intervals.

    With --goals: how near a run's own policy comes to goal images, compared with random actions and
    standing still.
    """
    if sum(named is not None for named in (checkpoint, goals, policy)) != 1:
        raise ConfigError("name either a checkpoint or --goals RUN or --policy WHICH")

    from wayfarer_in_process.trial import Trial

    from wayfarer_cli.evaluate import GoalTrial, evaluate_goals, evaluate_policy, other_policy

    if goals is not None:
        evaluate_goals(GoalTrial(goals, episodes, steps or 50, seed, picture), json)
    elif checkpoint is not None:
        evaluate_policy(
            Trial(checkpoint, episodes, steps or 200, seed, out, config, gripper_width),
            in_process,
            json,
        )
    elif policy is not None:
        with other_policy(policy, task, lerobot_python) as (other, check):
            evaluate_policy(
                Trial(other, episodes, steps or 200, seed, out, config, gripper_width),
                in_process,
                json,
                check,
            )


@app.command(rich_help_panel=_LOOK)
def report(
    runs: Annotated[list[Path], typer.Argument(help="Runs, or other recorders' bags, to compare.")],
    out: Annotated[Path, typer.Option(help="The page to write: one self-contained HTML file.")],
) -> None:
    """One page about the data of runs.

    Coverage, balance, novelty, goals, actions, losses, timing, parameters.
    """
    from wayfarer_cli.report import write_report

    write_report(runs, out)


@app.command(rich_help_panel=_LOOK)
def label(
    run: Annotated[
        Path, typer.Argument(help="A run: the directory given to `wayfarer collect --out`.")
    ],
    episode: Annotated[
        int | None,
        typer.Option(min=0, help="The episode; without a label, the one to begin with by keys."),
    ] = None,
    success: Annotated[
        bool | None,
        typer.Option("--success/--failure", help="Whether the episode did what it should."),
    ] = None,
    unjudged: Annotated[bool, typer.Option("--unjudged", help="Remove such a label.")] = False,
    note: Annotated[
        str | None, typer.Option(help="A note about it; an empty one removes the note.")
    ] = None,
) -> None:
    """Label episodes as success or failure, and add notes.

    Use options, or keys while the episodes play.

    Labels lie beside the bag, in RUN/labels.json; `bag info`, the report and exports show them.
    """
    from wayfarer_cli.label.command import label_by_keys, label_one

    if unjudged and success is not None:
        raise ConfigError("--unjudged takes a word back: give it without --success and --failure")

    said: dict[str, Any] = {}
    if success is not None or unjudged:
        said["success"] = success

    if note is not None:
        said["note"] = note

    if not said:
        label_by_keys(run, episode or 0)
    elif episode is None:
        raise ConfigError(
            "--episode says which episode that is; without --success, --failure and --note go by "
            "keys"
        )
    else:
        print(label_one(run, episode, said))


Namespace = Annotated[str, typer.Option(help="Namespace of the nodes.")]


@app.command(rich_help_panel=_LOOK)
def view(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|live", help="A run, or [b]live[/b]: the nodes that are running."
        ),
    ],
    save: Annotated[
        Path | None, typer.Option(help="Write a recording (.rrd) instead of opening the viewer.")
    ] = None,
    namespace: Namespace = "wayfarer",
) -> None:
    """Open rerun on a run, or on the running nodes.

    Pictures, end effector, box, targets, goal and novelty.

    RViz and Foxglove show the same with the files in launch/config; see docs/view.md.
    """
    from wayfarer_cli.view import view_live, view_run

    print(view_live(namespace, save) if what == "live" else view_run(Path(what), save))


Deadline = Annotated[
    float, typer.Option(min=0.1, help="Seconds within which control must confirm.")
]


@app.command(rich_help_panel=_ACT)
def stop(namespace: Namespace = "wayfarer", timeout: Deadline = 5.0) -> None:
    """Let the arm hold at once.

    The exit code is 0 only if control confirmed the hold; `wayfarer ack` releases it.

    This is no emergency stop: keep a hand on the robot's own button.
    """
    from wayfarer_cli.operator import stop as hold

    print(hold(namespace, timeout))


@app.command(rich_help_panel=_ACT)
def ack(namespace: Namespace = "wayfarer", timeout: Deadline = 5.0) -> None:
    """Confirm that the problem is solved.

    Control takes actions again, also after `wayfarer stop`.
    """
    from wayfarer_cli.operator import acknowledge

    print(acknowledge(namespace, timeout))


@app.command(rich_help_panel=_ACT)
def doctor(
    target: Annotated[Target, typer.Option(help="What will run here.")] = "sim",
    out: Annotated[Path, typer.Option(help="Folder for runs.")] = Path("runs"),
    robot_ip: Annotated[str, typer.Option(help="The robot's address.")] = "172.16.0.2",
    peer: Annotated[
        str, typer.Option(help="Address of the other machine, to compare clocks.")
    ] = "",
    calibration: Annotated[str, typer.Option(help="Camera calibration in use.")] = "",
    camera_rate: Annotated[
        float, typer.Option(help="Observations per second that the camera node shall give.")
    ] = 2.0,
    listen: Annotated[float, typer.Option(help="Seconds to listen to the camera.")] = 5.0,
    raw_images: Annotated[
        bool,
        typer.Option(
            "--raw-images", help="Images of a camera driver pass through DDS (source: topic)."
        ),
    ] = False,
    namespace: Namespace = "wayfarer",
) -> None:
    """Check whether this machine, its network and the robot are ready.

    Each failed check has its exit code and advice.
    """
    from wayfarer_cli.doctor import checks, report

    wanted = report.Examination(
        target, out, robot_ip, peer, calibration, camera_rate, listen, namespace, raw_images
    )
    findings = report.examine(wanted)
    report.show(findings)
    sys.exit(checks.exit_code(findings))


def _launch_files(beginning: str) -> list[str]:
    from wayfarer_launch.nodes import launch_files

    return [name for name in launch_files() if name.startswith(beginning)]


@app.command(
    rich_help_panel=_ACT,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def launch(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            help="Launch file: a path, or a name in wayfarer_bringup.", autocompletion=_launch_files
        ),
    ],
    show_args: Annotated[
        bool, typer.Option("--show-args", help="List the file's arguments and stop.")
    ] = False,
) -> None:
    """Start the nodes of a launch file.

    `wayfarer launch sim.launch.xml run:=runs/first episodes:=4`.

    The same files work with `ros2 launch wayfarer_bringup ...` where ROS 2 is installed.
    """
    from wayfarer_cli.launch import run_launch_file, show_arguments

    given = dict(_key_value(word) for word in context.args)
    if show_args:
        show_arguments(file)
    else:
        sys.exit(run_launch_file(file, given))


def _key_value(word: str) -> tuple[str, str]:
    key, separator, value = word.partition(":=")
    if not separator:
        raise ConfigError(f"{word!r} is not of the form key:=value")
    return key, value


app.add_typer(calibrate, name="calibrate", rich_help_panel=_ACT)
app.add_typer(bag, name="bag", rich_help_panel=_LOOK)
app.command(rich_help_panel=_LOOK)(export)
app.add_typer(train, name="train", rich_help_panel=_LEARN)
app.command(rich_help_panel=_LEARN)(paper)


def main() -> None:
    """Run the command.

    An error that the user can correct, such as a wrong option, is one line and exit code 1.
    """
    lifetime.end_as_python_does()
    for stream in (sys.stdout, sys.stderr):
        # print any name, even if the terminal lacks its characters
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    # DDS stays on this machine unless it is opened
    os.environ[RANGE] = os.environ.get(RANGE) or "LOCALHOST"
    try:
        sys.exit(app(standalone_mode=False))
    except WayfarerError as error:
        _refuse(str(error))
    except _WrongUsage as error:
        command = error.ctx.command_path if error.ctx is not None else "wayfarer"
        if said := error.format_message():
            _refuse(f"{said} ({command} --help)")
        sys.exit(1)  # without a subcommand the help was printed


def _refuse(why: str) -> None:
    _errors.print(f"[bold red]error:[/] {escape(why)}")
    sys.exit(1)
