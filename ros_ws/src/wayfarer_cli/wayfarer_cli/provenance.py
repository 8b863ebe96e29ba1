"""What pages say of who made them."""

from importlib.metadata import version

from wayfarer_core.provenance import commit


def made_by() -> str:
    """Return name, version and commit."""
    return f"wayfarer {version('wayfarer-cli')}, commit {commit()}"
