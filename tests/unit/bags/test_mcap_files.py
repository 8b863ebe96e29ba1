"""MCAP files of all writers.

Whatever parts of the format they use, whatever else is in them, whatever is damaged.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.episodes import PERIOD, write_episode
from fixtures.mcap_parts import PARTS, Layout, Said, content, said_in, write
from mcap.reader import make_reader
from wayfarer_bags.episode import Episode
from wayfarer_bags.files.chunks import survey
from wayfarer_core.errors import DataError
from wayfarer_data.cache.buffer import recording
from wayfarer_data.upkeep.rewrite import relabel_topics
from wayfarer_data.upkeep.verify import DAMAGED, GOOD, UNUSABLE, Verdict, verify

STEPS = 5


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    return said_in(write_episode(tmp_path_factory.mktemp("source"), 3, STEPS))


def load(path: Path) -> list[Episode]:
    (source,) = recording(path).sources()
    return list(recording(path).load(source))


def good(verdict: Verdict) -> bool:
    counts = verdict.episodes, verdict.readable, verdict.steps, verdict.lost_steps
    return (verdict.code, *counts) == (GOOD, 1, 1, STEPS, 0)


def what(verdict: Verdict) -> str:
    return "\n".join(finding.what for finding in verdict.findings)


def layouts() -> Iterator[Layout]:
    for chunked, count in itertools.product((True, False), range(len(PARTS) + 1)):
        for parts in itertools.combinations(PARTS, count):
            if not chunked and {"message_index", "chunk_index"} & set(parts):
                continue

            more = chunked and {"message_index", "statistics"} <= set(parts)
            for compression in ("", "zstd", "lz4") if more else ("",):
                attachments = {"robot.urdf": b"<robot/>"} if "summary_offsets" in parts else {}
                yield Layout(
                    parts,
                    chunked,
                    compression,
                    attachments=attachments,
                    records={"rosbag2": {"a": "b"}},
                )


def test_every_legal_combination_of_the_format_s_optional_parts_is_read(
    tmp_path: Path, said: list[Said]
) -> None:
    count = 0
    for layout in layouts():
        verdict = verify(write(tmp_path / "x.mcap", said, layout))
        assert good(verdict), (layout, verdict)
        assert verdict.findings == (), layout  # all checksums are there
        count += 1

    assert count == 224


def test_our_own_writer_of_variants_agrees_with_the_mcap_package(
    tmp_path: Path, said: list[Said]
) -> None:
    parts = PARTS[:-1]  # in chunks it takes no padding
    for more in (
        {},
        {"compression": "zstd"},
        {"chunked": False},
        {"compression": "lz4", "again": True},
    ):
        layout = Layout(parts, **more)  # type: ignore[arg-type]
        with write(tmp_path / "x.mcap", said, layout).open("rb") as file:
            found = [
                message.data
                for _, _, message in make_reader(file, validate_crcs=True).iter_messages()
            ]

        assert sorted(found) == sorted(one.cdr for one in said)


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (
            Layout(checksums=False),
            ["1 of its 1 chunks have no checksum", "its data section and its summary have no"],
        ),
        (
            Layout(checksums=False, chunked=False),
            ["its data section and its summary have no checksum: not"],
        ),
        (
            Layout(checksums=False, attachments={"a": b"x"}),
            ["its attachment 'a' and its data section and its summary"],
        ),
    ],
)
def test_where_there_are_no_checksums_it_is_said(
    tmp_path: Path, said: list[Said], layout: Layout, words: list[str]
) -> None:
    verdict = verify(write(tmp_path / "x.mcap", said, layout))
    assert good(verdict)
    for word in words:
        assert word in what(verdict)


FULL = {
    "attachments": {"calibration.yaml": b"fx: 600.0\n" * 20},
    "records": {"rosbag2": {"metadata": "x" * 50}},
}


@pytest.mark.parametrize(
    "layout",
    [
        Layout(compression="zstd", **FULL),
        Layout(compression="lz4", **FULL),
        Layout(chunked=False, **FULL),
    ],  # type: ignore[arg-type]
    ids=["zstd", "lz4", "unchunked"],
)
def test_every_single_flip_is_found_where_all_checksums_are_there(
    tmp_path: Path, said: list[Said], layout: Layout
) -> None:
    data, file = content(said, layout), tmp_path / "x.mcap"
    rng = random.Random(7)
    behind = data.find(b"calibration.yaml")
    places = [rng.randrange(len(data)) for _ in range(60)] + [
        rng.randrange(behind, len(data)) for _ in range(60)
    ]

    for place in [*places, *range(8), *range(len(data) - 60, len(data))]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        assert verify(file).code in (DAMAGED, UNUSABLE), place

    file.write_bytes(data)
    assert good(verify(file))


def test_damage_is_named_by_its_part(tmp_path: Path, said: list[Said]) -> None:
    layout = Layout(chunked=False, **FULL)  # type: ignore[arg-type]
    data, file = content(said, layout), tmp_path / "x.mcap"
    for at, words in (
        (
            data.find(b"fx: 600"),
            "the checksum of its attachment 'calibration.yaml' is not that of its content",
        ),
        (data.find(b"rgb8") + 40, "the checksum of its data section is not that of its content"),
        (
            data.rfind(b"/wayfarer/observation/image"),
            "the checksum of its summary is not that of its content",
        ),
    ):
        damaged = bytearray(data)
        damaged[at] ^= 4
        file.write_bytes(damaged)
        assert words in what(verify(file))


def test_a_summary_that_counts_what_is_not_there_is_damage(
    tmp_path: Path, said: list[Said]
) -> None:
    layout = Layout(chunked=False, checksums=False)
    data = content(said, layout)
    more = content([*said, said[-1]], layout)
    footer = len(data) - 37
    begins = int.from_bytes(data[footer + 9 : footer + 17], "little")
    theirs = int.from_bytes(more[len(more) - 28 : len(more) - 20], "little")
    summary = more[theirs : len(more) - 37]
    file = tmp_path / "x.mcap"
    head = data[:begins] + summary
    file.write_bytes(
        head
        + b"\2"
        + (20).to_bytes(8, "little")
        + begins.to_bytes(8, "little")
        + bytes(12)
        + data[-8:]
    )
    assert f"its summary counts {len(said) + 1} messages, it holds {len(said)}" in what(
        verify(file)
    )


# --- what else is in them ---


def test_a_topic_on_two_channels_is_one_topic(tmp_path: Path) -> None:
    first, second = write_episode(tmp_path, 3, STEPS), write_episode(tmp_path, 4, STEPS)
    later = [
        replace(one, cdr=moved(one.cdr)) for one in said_in(second) if "replay" not in one.topic
    ]
    both = [one for one in said_in(first) if "replay" not in one.topic] + later
    file = write(tmp_path / "x.mcap", both, Layout(again=True, compression="zstd"))

    with file.open("rb") as stream:
        summary = make_reader(stream).get_summary()

    assert summary is not None
    assert len(summary.channels) == 2 * len(
        {channel.topic for channel in summary.channels.values()}
    )
    assert [episode.steps for episode in load(file)] == [STEPS, STEPS]
    assert (verify(file).code, verify(file).steps, verify(file).lost_steps) == (GOOD, 2 * STEPS, 0)


def moved(cdr: bytes, by: int = 100 * PERIOD) -> bytes:
    """Return a message with a later header stamp."""
    return (
        cdr[:4] + (int.from_bytes(cdr[4:8], "little") + by // 10**9).to_bytes(4, "little") + cdr[8:]
    )


THING = "my_msgs/msg/Thing"
OTHERS = [
    *(
        (THING, "ros2msg", "cdr", definition)
        for definition in (
            b"",
            b"wstring name\nchar c\nbyte[] b\n",
            b"# Gr\xf6\xdfe\nfloat32 a\n",
            b"other_pkg/Unknown u\n",
            b"int32 a\r\nint32 b\r\n",
            b"string[] X=[]\n",
            b"Thing again\n",
            b"\xff\xfe\x00",
        )
    ),
    (
        "wayfarer_msgs/srv/Reset_Event",
        "ros2msg",
        "cdr",
        b"bool home\n---\nbool success\nstring message\n",
    ),
    (THING, "ros2idl", "cdr", b"module my_msgs { module msg { struct Thing { wstring w; }; }; };"),
    (THING, "", "cdr", b""),
    ("foxglove.Log", "jsonschema", "json", b'{"type": "object"}'),
    ("foxglove.SceneUpdate", "protobuf", "protobuf", b"\x0a\x04test"),
    ("", "", "cdr", b""),
    ("", "", "", b""),
]


@pytest.mark.parametrize(("kind", "encoding", "message_encoding", "definition"), OTHERS)
def test_other_channels_are_passed_over_and_kept(
    tmp_path: Path,
    said: list[Said],
    kind: str,
    encoding: str,
    message_encoding: str,
    definition: bytes,
) -> None:
    metadata = (("offered_qos_profiles", "- depth: 1"), ("topic_type_hash", "RIHS01_0"))
    topic, raw = "/robot/reset/_service_event", b"\x00\x01\x00\x00abcd"
    other = Said(
        topic, kind, definition, raw, said[0].log_time, metadata, encoding, message_encoding
    )
    file = write(tmp_path / "x.mcap", [other, *said, other], Layout(compression="zstd"))
    assert good(verify(file))
    relabel_topics(file, tmp_path / "out", {"/wayfarer": "/lab"})
    assert good(verify(tmp_path / "out"))

    with (tmp_path / "out" / "out.mcap").open("rb") as stream:
        kept = list(make_reader(stream, validate_crcs=True).iter_messages([topic]))

    assert len(kept) == 2
    for schema, channel, message in kept:
        assert message.data == raw
        assert (channel.message_encoding, channel.metadata) == (message_encoding, dict(metadata))
        assert (
            (kind, encoding, definition) == ("", "", b"")
            if schema is None
            else schema.data == definition
        )
        assert schema is None or (schema.name, schema.encoding) == (kind, encoding)


def test_a_profile_of_another_name_is_read(tmp_path: Path, said: list[Said]) -> None:
    file = write(tmp_path / "x.mcap", said, Layout(checksums=False))
    file.write_bytes(file.read_bytes().replace(b"\4\0\0\0ros2", b"\4\0\0\0bag2", 1))
    assert good(verify(file))


@pytest.mark.parametrize(
    "head", [b"", b"\0" * 100, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"]
)
def test_what_is_no_mcap_file_is_named_by_what_it_is(
    tmp_path: Path, said: list[Said], head: bytes
) -> None:
    file = write(tmp_path / "x.mcap", said)
    file.write_bytes(head)
    words = (
        "is a Git LFS pointer"
        if b"lfs" in head
        else "is empty"
        if not head
        else "is damaged: ValueError"
    )

    with pytest.raises(DataError, match=f"{file} {words}"):
        load(file)

    assert verify(file).code == UNUSABLE
    assert (words.split(":")[0] if b"lfs" in head or not head else "first bytes") in what(
        verify(file)
    )


@pytest.mark.parametrize("chunked", [True, False])
def test_a_torn_file_says_where_it_is_torn_and_what_is_whole(
    tmp_path: Path, said: list[Said], chunked: bool
) -> None:
    file = write(tmp_path / "x.mcap", said, Layout(chunked=chunked))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    assert "it ends in the middle of the record at byte " in what(verify(file))
    assert sum(survey(file).counts.values()) == (
        0 if chunked else len(said_before(data, len(data) // 2))
    )

    with pytest.raises(DataError, match="does not end as a finished MCAP file does"):
        load(file)


def said_before(data: bytes, end: int) -> list[int]:
    """Return where the messages outside chunks begin that are whole before `end`."""
    position, found = 8, []
    while position + 9 < end:
        behind = position + 9 + int.from_bytes(data[position + 1 : position + 9], "little")
        if behind > end:
            break

        if data[position] == 5:
            found.append(position)

        position = behind

    return found
