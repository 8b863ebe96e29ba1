"""README's contract table is the contract the nodes are made from."""

import re
from pathlib import Path

from wayfarer_common import contract
from wayfarer_core import names

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_contract_table_lists_every_topic_with_its_type_publisher_and_needed_listeners() -> None:
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in README.splitlines() if "_msgs/" in line
    ]
    table = {row[0]: row[1:4] for row in rows if len(row) == 5}
    assert set(table) == {topic.name for topic in contract.TOPICS}
    for topic in contract.TOPICS:
        kind = f"{topic.type.__module__.split('.')[0]}/{topic.type.__name__}"
        assert table[topic.name] == (kind, topic.publisher, ", ".join(topic.subscribers))


def test_the_services_and_actions_named_are_those_there_are() -> None:
    topics = {topic.name for topic in contract.TOPICS}
    others = {v for k, v in vars(names).items() if k.isupper() and isinstance(v, str) and "/" in v} - topics
    paragraph = README[README.index("Services `") : README.index("Every node reports")]
    assert set(re.findall(r"`([a-z_]+/[a-z_]+)`", paragraph)) == others


def test_every_file_it_points_to_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) >= 4
    for link in links:
        assert (Path(__file__).parents[2] / link).exists(), link
