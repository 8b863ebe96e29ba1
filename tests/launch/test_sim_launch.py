"""`ros2 launch sim.launch.xml`: start, ready, one episode, clean end."""

import unittest
from pathlib import Path
from typing import Any

import pytest
from fixtures.graph import peer, wait_for
from fixtures.launched import CLEAN, describe, require_launch
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_msgs.msg import Episode

require_launch()

import launch_testing  # noqa: E402  only there where the line above lets us go on

NODES = ("sim_bridge", "camera", "control", "actor", "replay")


@pytest.mark.launch_test
def generate_test_description() -> tuple[Any, dict[str, Any]]:
    return describe("sim.launch.xml", domain=87)


class TestWhileItRuns(unittest.TestCase):
    def test_all_become_ready_and_an_episode_is_recorded(self, domain: int) -> None:
        with peer(domain, namespace="wayfarer") as me:
            me.listen(contract.REPLAY_EPISODE)
            for node in NODES:
                me.wait_ready(node)

            wait_for(lambda: me.last(contract.REPLAY_EPISODE) is not None, "a closed episode")
            episode = me.last(contract.REPLAY_EPISODE)
            assert (episode.end, episode.steps, episode.lost_steps) == (Episode.TRUNCATED, 5, 0)


@launch_testing.post_shutdown_test()
class TestAfterwards(unittest.TestCase):
    def test_every_node_ended_cleanly_and_every_file_is_closed(
        self, proc_info: Any, run: Path
    ) -> None:
        assert len(proc_info.process_names()) == len(NODES) + 1
        launch_testing.asserts.assertExitCodes(proc_info, allowable_exit_codes=CLEAN)
        assert RunDirectory(run).torn() == {}
        assert RunDirectory(run).episodes()
