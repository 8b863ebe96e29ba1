"""The pages say what is there.

The contract's table, every link, every file that a page or a comment cites.
"""

import re
import subprocess
from pathlib import Path

import pytest
from wayfarer_common import contract
from wayfarer_core import names

ROOT = Path(__file__).parents[2]
FILES = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
    timeout=60.0,
).stdout.splitlines()
PAGES = [
    name
    for name in FILES
    if name.endswith(".md") and name != "CHANGELOG.md" and (ROOT / name).exists()
]
ENDINGS = (".py", ".toml", ".xml", ".yaml", "Makefile")
CODE = [name for name in FILES if name.endswith(ENDINGS) and (ROOT / name).exists()]
CONTRACT = (ROOT / "docs/contract.md").read_text()
GONE = re.compile(r"\b(METHOD|FACTS|DESIGN)\.md\b")


def exists(cited: str) -> bool:
    """Say whether a path names a file or folder, from the root or as the end of its path."""
    inner = f"/{cited.rstrip('/')}"
    return (ROOT / cited).exists() or any(
        f"/{name}".endswith(inner) or f"{inner}/" in f"/{name}" for name in FILES
    )


def test_there_are_pages_to_read() -> None:
    assert {
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/method.md",
        "docs/contract.md",
    } <= set(PAGES)
    assert len(CODE) > 200


def test_the_contract_table_lists_every_topic_with_its_type_publisher_and_needed_listeners() -> (
    None
):
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in CONTRACT.splitlines()
        if "_msgs/" in line
    ]
    table = {row[0]: row[1:4] for row in rows if len(row) == 5}
    assert set(table) == {topic.name for topic in contract.TOPICS}

    for topic in contract.TOPICS:
        kind = f"{topic.type.__module__.split('.')[0]}/{topic.type.__name__}"
        assert table[topic.name] == (kind, topic.publisher, ", ".join(topic.subscribers))


def test_the_services_and_actions_named_are_those_there_are() -> None:
    topics = {topic.name for topic in contract.TOPICS}
    others = {
        v for k, v in vars(names).items() if k.isupper() and isinstance(v, str) and "/" in v
    } - topics
    paragraph = CONTRACT[CONTRACT.index("Services `") : CONTRACT.index("Every node reports")]
    assert set(re.findall(r"`([a-z_]+/[a-z_]+)`", paragraph)) == others


def test_the_qualities_of_service_named_are_those_there_are() -> None:
    row = r"^\| (step|state|latched|standing) \| (\d+) \| (volatile|transient local) \|"
    rows = re.findall(row, CONTRACT, re.MULTILINE)
    assert len(rows) == 4

    for kind, depth, durability in rows:
        profile = getattr(contract.qos, kind.upper())
        assert (str(profile.depth), profile.durability.name.lower().replace("_", " ")) == (
            depth,
            durability,
        )


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not link.startswith(("http://", "https://", "mailto:")):
            assert ((ROOT / page).parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_every_source_file_that_a_page_names_exists(page: str) -> None:
    for cited in re.findall(
        r"`([\w./-]+\.(?:py|md|xml|msg|srv|action))`", (ROOT / page).read_text()
    ):
        if "/" in cited:
            assert exists(cited), cited


def test_every_page_that_the_code_cites_exists() -> None:
    cited = {
        (name, page)
        for name in CODE
        for page in re.findall(r"docs/[\w-]+\.md", (ROOT / name).read_text())
    }
    assert len(cited) >= 10
    assert [(name, page) for name, page in sorted(cited) if not (ROOT / page).exists()] == []


def test_nothing_cites_a_page_outside_the_repository() -> None:
    others = [name for name in (*PAGES, *CODE) if Path(name).name != Path(__file__).name]
    assert [name for name in others if GONE.search((ROOT / name).read_text())] == []
