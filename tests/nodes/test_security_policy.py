"""launch/security/policy.xml against the running nodes.

It allows what they do, and nothing else.
"""

import os
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fixtures.graph import VENV, Peer, node_process, peer, wait_for
from fixtures.shipped import shipped
from wayfarer_common import contract
from wayfarer_core import names

SECURITY = Path(__file__).parents[2] / "launch" / "security"
NAMESPACE = "/wayfarer"
NODES = (
    "sim_bridge",
    "camera",
    "wrist_camera",
    "control",
    "view",
    "actor",
    "replay",
    "novelty",
    "learner",
    "collector",
    "teleop",
)
RULES = ("publish", "subscribe", "reply", "request", "execute", "call")

Allowed = dict[str, set[str]]  # rule -> names


def rules_of(profile: ET.Element, namespace: str, node: str) -> Allowed:
    """What a profile itself allows, with full names."""
    allowed: Allowed = {rule: set() for rule in RULES}
    for group in profile:
        for rule in RULES:
            if group.get(rule) == "ALLOW":
                for name in (entry.text or "" for entry in group):
                    full = name.replace("~", f"{namespace}/{node}")
                    allowed[rule].add(full if full.startswith("/") else f"{namespace}/{name}")

    return allowed


def policy() -> dict[str, tuple[str, Allowed]]:
    """Node -> its enclave, and what its profile allows beside what every node may."""
    found = {}
    for enclave in ET.parse(SECURITY / "policy.xml").getroot().iter("enclave"):
        for profile in enclave.iter("profile"):
            node, namespace = profile.attrib["node"], profile.attrib["ns"].rstrip("/")
            allowed = rules_of(profile, namespace, node)
            for include in profile.findall("{http://www.w3.org/2001/XInclude}include"):
                if include.attrib["href"] != "node.xml":
                    more = rules_of(
                        ET.parse(SECURITY / include.attrib["href"]).getroot(), namespace, node
                    )
                    allowed = {rule: allowed[rule] | more[rule] for rule in RULES}

            found[node] = (enclave.attrib["path"], allowed)

    return found


def seen(me: Peer, node: str, namespace: str = NAMESPACE) -> Allowed:
    """What a running node does, as the ROS graph shows it, beside what every node may."""
    graph = me.node
    usual = rules_of(ET.parse(SECURITY / "node.xml").getroot(), namespace.rstrip("/"), node)
    does: Allowed = {rule: set() for rule in RULES}

    for rule, look in (
        ("publish", graph.get_publisher_names_and_types_by_node),
        ("subscribe", graph.get_subscriber_names_and_types_by_node),
    ):
        does[rule] = {name for name, _ in look(node, namespace) if "/_action/" not in name}

    for rule, of_action, look in (
        ("reply", "execute", graph.get_service_names_and_types_by_node),
        ("request", "call", graph.get_client_names_and_types_by_node),
    ):
        for name, _ in look(node, namespace):
            action, hidden, _ = name.partition("/_action/")
            does[of_action if hidden else rule].add(action)

    return {rule: does[rule] - usual[rule] for rule in RULES}


def test_each_topic_has_its_publisher_and_only_the_robots_machine_commands_the_arm() -> None:
    bridges = {"franka_bridge", "sim_bridge"}
    for topic in contract.TOPICS:
        name = topic.name if topic.name.startswith("/") else f"{NAMESPACE}/{topic.name}"
        publishers = {node for node, (_, may) in policy().items() if name in may["publish"]}
        wanted = bridges if topic.publisher == "bridge" else {topic.publisher}
        assert publishers, topic.name
        assert (
            publishers <= wanted | {"camera", "wrist_camera"}
            if topic.publisher == "bridge"
            else publishers == wanted
        )

    commanders = [
        (e, n)
        for n, (e, may) in policy().items()
        if f"{NAMESPACE}/{names.TARGET_POSE}" in may["publish"]
    ]
    assert commanders == [("/wayfarer/robot_pc", "control")]


@pytest.mark.slow
def test_the_policy_allows_what_the_nodes_of_a_run_do_and_nothing_else(
    domain: int, tmp_path: Path
) -> None:
    words = ["launch", "sim.launch.xml", f"run:={tmp_path}/run", "episodes:=1000", "steps:=5"]
    words += ["method:=goal", "learning:=true", "device:=topic"]
    words += ["wrist:=true", "gripper_width:=0.08"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [VENV / "bin" / "wayfarer", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ,
        )

    try:
        with peer(domain, namespace=NAMESPACE) as me:
            me.listen(contract.COLLECTOR_STATUS)
            enough = 2  # then every client has been made that a run makes
            wait_for(
                lambda: (
                    (last := me.last(contract.COLLECTOR_STATUS)) is not None
                    and last.episodes_done >= enough
                ),
                "two episodes",
                120.0,
            )

            for node in NODES:
                may, does = policy()[node][1], seen(me, node)

                # an operator's scene is not what this run has; another bridge's parameters
                if node == "collector":
                    may = {
                        rule: {n for n in may[rule] if "franka_bridge" not in n}
                        - {f"{NAMESPACE}/{names.SCENE}"}
                        for rule in RULES
                    }

                if node == "teleop":  # the other devices' topic
                    may = {rule: may[rule] - {"/spacenav/joy"} for rule in RULES}

                assert does == may, node
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20.0)


def test_the_policy_allows_what_the_real_robots_bridge_does_and_nothing_else(domain: int) -> None:
    may = {
        rule: {n.removeprefix(NAMESPACE) for n in allowed}
        for rule, allowed in policy()["franka_bridge"][1].items()
    }
    limits = shipped("hardware_fr3", "franka_bridge") | {
        "robot_ip": "127.0.0.1",
        "gripper_width": 0.08,
        "gripper_force": 20.0,
    }
    with peer(domain) as me, node_process("wayfarer_franka_bridge", "franka_bridge", **limits):
        wait_for(lambda: "franka_bridge" in me.node.get_node_names(), "the bridge")
        wait_for(lambda: seen(me, "franka_bridge", "/") == may, f"it to do what it may: {may}")
