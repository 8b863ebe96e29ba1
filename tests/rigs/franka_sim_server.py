"""An FR3 with reflexes.

Franka-sim, which aborts motions that break the arm's limits, as the real robot does.

Runs in `.venv/rig_limits`, knows no ROS. Usage:

    FR3_MJCF=MODEL .venv/rig_limits/bin/python tests/rigs/franka_sim_server.py --host 127.0.0.12
"""

import argparse
import signal
from types import FrameType

from franka_sim import FrankaSimServer


def main() -> None:
    """Serve one robot until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    given = parser.parse_args()

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    server = FrankaSimServer(host=given.host, enable_gripper=False, enforce_motion_limits=True)
    try:
        server.start()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
