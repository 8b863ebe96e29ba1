"""`wayfarer doctor`: runs all checks and prints a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from wayfarer_core.calibration import load_calibration
from wayfarer_core.errors import ConfigError
from wayfarer_report.console import plain
from wayfarer_report.console import show as show_table

from wayfarer_cli.doctor import camera, checks, machine
from wayfarer_cli.doctor.checks import Code, Finding

TARGETS = ("sim", "hardware")


@dataclass(frozen=True)
class Examination:
    """What to check."""

    target: str
    out: Path  # folder for runs
    robot_ip: str
    peer: str  # address of the other machine, "" for none
    calibration: str  # file, "" for none
    camera_rate: float  # Hz
    listen: float  # s
    namespace: str
    raw_images: bool  # images of a camera driver pass through DDS


def examine(wanted: Examination) -> list[Finding]:
    """Return the findings of all checks of a target, in the order of their codes."""
    if wanted.target not in TARGETS:
        raise ConfigError(f"target {wanted.target!r} is not one of {', '.join(TARGETS)}")
    findings = list(_any_machine(wanted))
    return findings + list(_hardware(wanted)) if wanted.target == "hardware" else findings


def _any_machine(wanted: Examination) -> Iterator[Finding]:
    yield checks.render_backend(*machine.draw_a_frame())
    yield checks.disk_rate(machine.write_rate(wanted.out))
    yield checks.free_space(machine.free_megabytes(wanted.out))
    yield checks.dds_profile(*machine.dds_profile(), needed=wanted.raw_images)
    yield checks.shared_memory(machine.shared_megabytes())


def _hardware(wanted: Examination) -> Iterator[Finding]:
    yield checks.clock_offset(wanted.peer, machine.ntp_offset(wanted.peer) if wanted.peer else None)
    yield checks.realtime_kernel(*machine.kernel())
    yield checks.realtime_limits(*machine.limits())
    heard = camera.listen(wanted.namespace, wanted.listen)

    if "franka_bridge" in heard.nodes:
        yield checks.bridge_runs(Code.ROBOT_REACHABLE)
        yield checks.bridge_runs(Code.FIRMWARE)
    else:
        error, server = machine.reach_robot(wanted.robot_ip)
        yield checks.robot_reachable(wanted.robot_ip, error)
        yield checks.firmware(server, machine.installed_wheels())

    yield checks.camera_rate(np.array(heard.stamps), wanted.camera_rate)
    yield checks.camera_exposure(heard.image)
    today = datetime.now(UTC).date()
    yield checks.calibration_age(wanted.calibration, _day_of(wanted.calibration), today)


def _day_of(calibration: str) -> str:
    try:
        return load_calibration(Path(calibration)).date if calibration else ""
    except ConfigError:
        return ""


def show(findings: list[Finding]) -> None:
    """Print the findings, and for each failure what to do."""
    table = Table("code", "check", "", "found")
    marks = {
        True: Text("ok", "green"),
        False: Text("failed", "bold red"),
        None: Text("not looked at", "dim"),
    }
    for finding in findings:
        name = finding.code.name.lower().replace("_", " ")
        table.add_row(str(int(finding.code)), name, marks[finding.ok], finding.found)

    show_table(table)
    console = plain()
    for finding in findings:
        if finding.ok is False:
            name = finding.code.name.lower().replace("_", " ")
            console.print(f"[bold]{name}[/]: {escape(finding.advice)}")
