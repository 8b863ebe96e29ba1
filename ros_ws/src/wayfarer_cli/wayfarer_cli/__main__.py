"""The entry point of `wayfarer`: signals are heeded before anything heavy is imported."""

import os

from wayfarer_common.lifetime import begin_command


def main() -> None:
    """Run the command."""
    begin_command()
    # we only draw into files; a warning about notebooks does not concern a command
    os.environ["MPLBACKEND"] = "agg"
    from wayfarer_cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
