"""The entry points: signals are heeded before anything heavy is imported."""

from wayfarer_common.lifetime import begin_node


def main() -> None:
    """Run the node."""
    begin_node()
    from wayfarer_teleop.node import main as run_node

    run_node()


def keyboard() -> None:
    """Run the node of this terminal's keyboard."""
    begin_node()
    from wayfarer_teleop.node import keyboard as run_node

    run_node()


if __name__ == "__main__":
    main()
