"""Puts the site together that `make docs` builds.

The repository's pages where they are, and a page of each package.

    python docs/site.py

Pages link to each other and to code by their places in the repository. So the site's source has the
same places.
"""

import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "build" / "site_source"
CONFIG = Path(__file__).with_name("mkdocs.yml")
ROOMS = ("policies", "sim", "ros_ws/src")


def packages() -> Iterator[Path]:
    """Yield the folders of the Python packages, those that a package.xml describes."""
    for room in ROOMS:
        for description in sorted((ROOT / room).glob("*/package.xml")):
            package = description.parent / description.parent.name
            if (package / "__init__.py").exists():
                yield package


def modules(package: Path) -> Iterator[str]:
    """Yield the full names of a package's modules that have something to say."""
    for file in sorted(package.rglob("*.py")):
        if not file.name.startswith("__") and file.stat().st_size:
            yield ".".join(file.relative_to(package.parent).with_suffix("").parts)


def main() -> None:
    """Write the site's source, and build it; any warning ends it."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    shutil.rmtree(SOURCE, ignore_errors=True)
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()

    for name in files:
        if not name.startswith("."):
            (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, SOURCE / name)

    found = list(packages())
    (SOURCE / "api").mkdir()
    for package in found:
        page = "".join(f"::: {module}\n\n" for module in modules(package))
        (SOURCE / "api" / f"{package.name}.md").write_text(f"# {package.name}\n\n{page}")

    pages = [f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))]
    config = load_config(
        str(CONFIG),
        strict=True,
        nav=[
            "README.md",
            {"Guides": pages},
            {"API": [f"api/{package.name}.md" for package in found]},
            "CONTRIBUTING.md",
            "CHANGELOG.md",
        ],
    )
    build(config)


if __name__ == "__main__":
    main()
