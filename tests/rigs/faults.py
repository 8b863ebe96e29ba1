"""Injects every kind of fault many times, into an arm's rig and into single nodes.

    .venv/bin/python tests/rigs/faults.py --count 30 --json [--robot panda]

Every fault must be reported, stop every command while it lasts, leave the nodes answering, and be
gone afterwards. None of our processes may be left in the end.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures import arm_faults, node_faults
from fixtures.graph import COMMANDS_DOMAIN, nodes_of
from fixtures.rigs import ARMS, may_make_namespaces

Inject = Callable[[str], None]


@contextmanager
def arm(robot: str) -> Iterator[Inject]:
    with (
        tempfile.TemporaryDirectory() as folder,
        arm_faults.running_rig(COMMANDS_DOMAIN, Path(folder), ARMS[robot]) as rig,
    ):
        yield lambda name: arm_faults.inject(rig, name)


@contextmanager
def camera(_: str) -> Iterator[Inject]:
    with node_faults.filmed(COMMANDS_DOMAIN) as rig:
        yield lambda _: node_faults.frozen_camera(rig)


@contextmanager
def control(_: str) -> Iterator[Inject]:
    with node_faults.clocked(COMMANDS_DOMAIN) as rig:
        yield lambda _: node_faults.jumping_clock(rig)


RIGS: tuple[tuple[Callable[[str], AbstractContextManager[Inject]], tuple[str, ...]], ...] = (
    (camera, ("camera frozen",)),
    (control, ("clock jump",)),
    (arm, tuple(arm_faults.FAULTS)),
)


def main() -> None:
    """Inject every kind of fault many times; exit 1 if one test of it failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=30, help="how often each kind")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    every = [kind for _, kinds in RIGS for kind in kinds]
    parser.add_argument("--kind", nargs="+", choices=every, default=every, help="which kinds")
    parser.add_argument("--robot", choices=tuple(ARMS), default="fr3", help="which arm")
    given = parser.parse_args()
    os.environ |= {
        "ROS_DOMAIN_ID": str(COMMANDS_DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    untested = set(every) - set(given.kind) | (
        set() if may_make_namespaces() else {arm_faults.NEEDS_CABLE}
    )
    borne, failures = Counter[str](), []

    for running, all_kinds in RIGS:
        kinds = [kind for kind in all_kinds if kind not in untested]
        if not kinds:
            continue

        # where progress and the nodes' output go
        with redirect_stdout(sys.stderr), running(given.robot) as inject:
            for number in range(1, given.count + 1):
                for name in kinds:
                    try:
                        inject(name)
                        borne[name] += 1
                    except AssertionError as error:
                        failures.append(f"{name}, number {number}: {error}")

                    print(f"{number}/{given.count} {name}: {borne[name]} borne", flush=True)

    failures += [
        f"{package}, process {process}, was left" for package, process in nodes_of().items()
    ]
    result = {
        "count": given.count,
        "borne": borne,
        "failures": failures,
        "not tested": sorted(untested),
    }
    print(
        json.dumps(result, indent=2)
        if given.json
        else "\n".join(f"{key}: {value}" for key, value in result.items())
    )
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
