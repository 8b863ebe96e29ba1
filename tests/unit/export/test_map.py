from fractions import Fraction
from pathlib import Path

import pytest
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_export.foreign.map import Split, TopicSource, read_map

GOOD = """\
format: wayfarer map 1
rate: {rate}
task: pick the cube
split: {{topic: /episode, when: silence, silence: 2}}
features:
  observation.state:
    - {{topic: /joints, max_age: 1, take: [position], names: [a, b]}}
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("said", "rate"),
    [
        ("30", Fraction(30)),
        ("2.5", Fraction(5, 2)),
        ('"30000/1001"', Fraction(30000, 1001)),
        ("29.97", Fraction(2997, 100)),
    ],
)
def test_a_map_is_what_it_says_and_its_rate_is_exact(
    tmp_path: Path, said: str, rate: Fraction
) -> None:
    found = read_map(written(tmp_path / "map.yaml", GOOD.format(rate=said)))
    assert found.rate == rate
    source = TopicSource("/joints", 1.0, take=("position",), names=("a", "b"))
    assert found.features == {"observation.state": (source,)}
    assert found.split == Split("/episode", "silence", 2.0)
    assert (found.task, found.robot, found.shortest) == ("pick the cube", "unknown", 2)
    assert found.topics == {"/joints", "/episode"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("format: wayfarer map 1", "format: 1", r"map.yaml is no map: its `format` must be 'wayfarer map 1'"),
        ("task:", "taks:", r"map.yaml: unknown key 'taks'; known are format, rate, task"),
        ("rate: 10\n", "", r"map.yaml: rate is missing"),
        ("rate: 10\n", "rate: fast\n", r"rate = 'fast' is no rate in Hz, as in 30, 2.5"),
        ("rate: 10\n", "rate: true\n", r"rate = True is no rate in Hz"),
        ("rate: 10\n", "rate: 0\n", r"rate = 0 is outside \[0.001, 1000\] Hz"),
        ('rate: 10\n', 'rate: "1/0"\n', r"rate = '1/0' is no rate"),
        ("pick the cube", "5", r"map.yaml: task = 5 is not of the type of ''"),
        ("max_age: 1,", "max_aeg: 1,", r"state, topic 1 of 1: unknown key 'max_aeg'; known are max_age, names"),
        ("max_age: 1,", "", r"topic 1 of 1: max_age is missing; it is: greatest age of a value in a frame \[s\]"),
        ("max_age: 1,", "max_age: 0,", r"max_age = 0.0 is outside \[0.0001, 86400.0\]"),
        ("max_age: 1,", "max_age: soon,", r"max_age = 'soon' is not of the type of 0.1"),
        ("[position]", "[positions]", r"take = \['positions'\] is not one of position, velocity"),
        ("[a, b]", "a", r"names = 'a' is not a list of texts, as in \[a, b\]"),
        ("[a, b]", "[a, 2]", r"names = \['a', 2\] is not a list of texts"),
        ("when: silence", "when: quiet", r"map.yaml: split: when = 'quiet' is not one of message, change, silence"),
        ("observation.state", "observation/state", r"'observation/state' is no name of a feature"),
        ("observation.state", "age.state", r"'age.state' is no name of a feature"),
        ("- {topic", "  {topic", r"observation.state must be a list of topics"),
    ],
)  # fmt: skip
def test_a_wrong_map_is_refused_with_what_would_be_right(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = GOOD.format(rate=10)
    assert old in text
    with pytest.raises(ConfigError, match=words):
        read_map(written(tmp_path / "map.yaml", text.replace(old, new)))


def test_a_map_that_is_missing_or_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*map.yaml: No such file"):
        read_map(tmp_path / "map.yaml")
    with pytest.raises(DataError, match=r"cannot read .*map.yaml"):
        read_map(written(tmp_path / "map.yaml", "{"))


def test_the_map_in_the_page_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "bags.md").read_text()
    (text,) = [
        block for block in page.split("```yaml\n")[1:] if block.startswith("format: wayfarer map")
    ]
    found = read_map(written(tmp_path / "map.yaml", text.partition("```")[0]))
    assert len(found.sources) == 4
    assert found.split == Split("/episode", "change")
