"""Which Wayfarer this is: what pages and tables say of the code that made them."""

import subprocess
from importlib.metadata import version
from pathlib import Path

UNKNOWN = "unknown"


def commit() -> str:
    """Return the commit of the source tree this runs from, with + where files differ from it; "unknown" elsewhere."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=7", "--dirty=+", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return found.stdout.strip() or UNKNOWN


def made_by() -> str:
    """Return name, version and commit."""
    return f"wayfarer {version('wayfarer-cli')}, commit {commit()}"
