"""Files made to cost: what they may take, and that each is one error with its name.

Memory is that of a process.
"""

import itertools
import json
import resource
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from fixtures import episodes as fixture
from fixtures.episodes import write_episode, write_run
from fixtures.mcap_parts import Layout, Said, content, mapping, record, said_in, text, write
from fixtures.plain_bags import record as record_plain
from rosbags.rosbag2 import StoragePlugin
from wayfarer_bags import digests
from wayfarer_bags.bag import EpisodeWriter, messages, read_episode
from wayfarer_bags.files.recorded import Channel
from wayfarer_bags.message_types import types_of
from wayfarer_core.errors import DataError
from wayfarer_data.cache.buffer import recording
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.upkeep.recover import recover
from wayfarer_data.upkeep.rewrite import merge, relabel_topics
from wayfarer_data.upkeep.verify import UNUSABLE, verify
from wayfarer_report.numbers.gather import read_run

SECONDS = 10.0  # of the process's own time, for each, with what it takes to make the file
CHUNK = 256 << 20  # bytes at most


@pytest.fixture(autouse=True)
def _it_takes_little_time() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < SECONDS


@pytest.fixture(autouse=True)
def _caches_are_not_the_users(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single file's cache lies in the user's folder for caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[Said]:
    return said_in(write_episode(tmp_path_factory.mktemp("source"), 3, 4))


def refused(path: Path, words: str) -> None:
    """Every way to open a bag says the same."""
    (source,) = recording(path).sources()
    with pytest.raises(DataError, match=words):
        list(recording(path).load(source))

    with pytest.raises(DataError, match=words):
        Dataset.open([path])

    with pytest.raises(DataError, match=words):
        read_run(path)

    verdict = verify(path)
    assert verdict.code == UNUSABLE


def opened_or_refused(path: Path) -> int:
    """Open a bag; return its steps. An error must have the bag's name."""
    try:
        return len(Dataset.open([path]))
    except DataError as error:
        if str(path) in str(error):
            return 0
        raise


# --- YAML ---

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 30)
)


@pytest.mark.parametrize("name", ["run.yaml", "metadata.yaml"])
@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize(
    "words", [ALIASES + "format: *a29\n", "a: &a [*a]\n", "[" * 100_000, "a: 0x" + "f" * 90_000]
)
def test_yaml_beside_the_episodes_costs_nothing(
    tmp_path: Path, name: str, noted: bool, words: str
) -> None:
    run = write_run(tmp_path / "run", 1, 2)
    (run / name).write_text(words)
    if not noted:  # as in runs of before
        digests.replace(
            run,
            {file: digest for file, digest in digests.read(run).items() if file.endswith("mcap")},
        )

    verdict = verify(run)
    assert [found.file for found in verdict.findings if found.damage].count(name) == 1
    assert len(str(verdict.findings)) < 10_000
    recover(run, tmp_path / "out")

    if name == "run.yaml":
        for act in (
            lambda: Dataset.open([run]),
            lambda: read_run(run),
            lambda: merge([run], tmp_path / "merged"),
        ):
            with pytest.raises(DataError, match=r"run\.yaml"):
                act()


def test_yaml_inside_a_bag_costs_nothing(tmp_path: Path, said: list[Said]) -> None:
    hostile = [replace(one, metadata=(("offered_qos_profiles", ALIASES),)) for one in said]
    bag = tmp_path / "bag"
    write(bag / "bag_0.mcap", hostile)
    (bag / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information:\n  {ALIASES.replace(chr(10), chr(10) + '  ')}"
    )
    assert verify(bag).steps == 4
    relabel_topics(bag, tmp_path / "out", {"/wayfarer": "/lab"})
    assert len(Dataset.open([bag])) == 4


# --- what unpacks to more than it says, or than it may ---


def memory_of(path: Path, act: str) -> tuple[float, str]:
    """Do something with a bag in a process of its own.

    Return how much memory that took [MB], and what it said.
    """
    code = f"""
import resource, sys
from pathlib import Path
from wayfarer_core.errors import DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.upkeep.verify import verify
path, before = Path(sys.argv[1]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print({act})
except DataError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3)
"""
    words = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=600)
    *told, used = done.stdout.splitlines()

    return float(used), "\n".join(told)


def bomb(said: list[Said], size: int, told: int, chunks: int = 1, spelled: bool = True) -> bytes:
    """Return a file with chunks of `size` zeros that say that they hold `told` bytes."""
    compressor = zstandard.ZstdCompressor(level=3, write_content_size=spelled)
    packed = compressor.compress(bytes(size))
    chunk = record(
        6,
        struct.pack("<QQQI", 0, 0, told, 0)
        + text("zstd")
        + struct.pack("<Q", len(packed))
        + packed,
    )
    whole = content(said, Layout(parts=(), checksums=False))
    end = whole.rfind(record(15, bytes(4)))

    return whole[:end] + chunk * chunks + whole[end:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "told", "chunks", "spelled"),
    [
        (2_450_000_000 // 4, 2_450_000_000 // 4, 1, True),
        (1 << 30, 1000, 1, True),
        (1 << 30, 1000, 1, False),
        (1 << 30, CHUNK, 1, False),
        (10, 2**63, 1, True),
        (200 << 20, 200 << 20, 6, True),
    ],
)
def test_a_chunk_that_unpacks_to_too_much_takes_little_memory(
    tmp_path: Path, said: list[Said], size: int, told: int, chunks: int, spelled: bool
) -> None:
    file = tmp_path / "x.mcap"
    file.write_bytes(bomb(said, size, told, chunks, spelled))
    assert file.stat().st_size < 300_000
    for act in ("verify(path).findings", "len(Dataset.open([path]))"):
        used, words = memory_of(file, act)
        assert used < 700, act
        assert "x.mcap" in words


@pytest.mark.slow
def test_many_small_records_take_little_time(tmp_path: Path, said: list[Said]) -> None:
    file = tmp_path / "x.mcap"
    own = bytes([0x80]) + bytes(8)  # an empty record of another program's kind
    packed = zstandard.compress(own * ((250 << 20) // 9))
    size = (250 << 20) // 9 * 9
    chunk = record(
        6,
        struct.pack("<QQQI", 0, 0, size, 0)
        + text("zstd")
        + struct.pack("<Q", len(packed))
        + packed,
    )
    whole = content(said, Layout(parts=(), checksums=False))
    end = whole.rfind(record(15, bytes(4)))
    file.write_bytes(whole[:end] + chunk * 6 + whole[end:])

    with pytest.raises(DataError, match="holds more records than bytes"):
        Dataset.open([file])

    assert verify(file).code == UNUSABLE


@pytest.mark.slow
@pytest.mark.parametrize(
    "storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda one: one.name.lower()
)
def test_a_packed_message_that_holds_too_much_takes_little_memory(
    tmp_path: Path, said: list[Said], storage: StoragePlugin
) -> None:
    packed = zstandard.compress(bytes(1 << 30))
    bag = record_plain(tmp_path / "bag", [write_episode(tmp_path, 3, 4)], storage=storage)
    if storage is StoragePlugin.SQLITE3:
        with sqlite3.connect(bag / "bag.db3") as database:
            database.execute("update messages set data = ? where id = 4", (packed,))
    else:
        write(bag / "bag.mcap", [*said[:4], replace(said[4], cdr=packed), *said[5:]])

    used, words = memory_of(bag, "len(Dataset.open([path]))")
    assert used < 700
    assert "has a message that unpacks to 1.07 GB: at most 0.27 GB are read" in words


def test_a_summary_and_an_index_that_lie_lead_nowhere(tmp_path: Path, said: list[Said]) -> None:
    data = bytearray(content(said, Layout(checksums=False)))
    file = tmp_path / "x.mcap"
    for begins in (0, 1, 8, 2**40, len(data) - 37, len(data) - 36, 2**64 - 1):
        struct.pack_into("<Q", data, len(data) - 28, begins)
        file.write_bytes(data)
        assert opened_or_refused(file) in (0, 4)
        verify(file)


def test_topics_described_without_end_are_refused(tmp_path: Path, said: list[Said]) -> None:
    more = [
        Said(
            f"/t{k}",
            f"a/msg/B{k}",
            b"# " + bytes([97 + k % 26]) * (5 << 20) + b"\n",
            b"\0\1\0\0",
            said[0].log_time,
        )
        for k in range(16)
    ]
    file = write(tmp_path / "x.mcap", [*said, *more], Layout((), compression="zstd"))
    assert file.stat().st_size < 300_000

    with pytest.raises(DataError, match="describes its topics in more than 64 MiB"):
        Dataset.open([file])

    write(file, [*said, *more], Layout(compression="zstd"))
    with pytest.raises(DataError, match="has a summary of more than 64 MiB"):
        Dataset.open([file])


# --- schemas ---

ACTION = "wayfarer_msgs/msg/Action"
BAR = "=" * 80


def nested(depth: int, width: int = 1, leaf: str = "uint8 x") -> str:
    """Return types inside one another, each `width` times in the one around it."""
    parts = [
        f"MSG: a/A{k}\n" + "".join(f"a/A{k + 1} f{i}\n" for i in range(width)) for k in range(depth)
    ]
    return f"\n{BAR}\n" + f"\n{BAR}\n".join([*parts, f"MSG: a/A{depth}\n{leaf}\n"])


SCHEMAS = {
    "itself": ("wayfarer_msgs/Action again\n", "without an end"),
    "itself in a list": ("wayfarer_msgs/Action[] again\n", "without an end"),
    "one another": (
        f"a/A0 x\n{BAR}\nMSG: a/A0\na/A1 y\n{BAR}\nMSG: a/A1\na/A0 z\n",
        "without an end",
    ),
    "deep": ("a/A0 x\n" + nested(200), "more than 24 types inside one another"),
    "wide": ("a/A0 x\n" + nested(20, 10), "more than 10000 fields"),
    "wide and empty": ("a/A0 x\n" + nested(20, 10, "# nothing"), "more than 10000 fields"),
    "a long array": ("a/A0[1000000000] x\n" + nested(1), "more than 10000 fields"),
    "a long array of text": ("string[1000000000] x\n", "more than 10000 fields"),
    "a negative array": ("a/A0[-1000000000] x\n" + nested(1), "more than 10000 fields"),
    "long": ("uint8 x  # " + "y" * 300_000 + "\n", "with 3[0-9]* bytes: at most 262144 are read"),
    "no type": ("other/Unknown x\n", "carries no definition of other/msg/Unknown"),
    "no text": ("\xff", "is damaged"),
    "no language": ("!!!\n", "is damaged"),
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_without_bounds_is_refused(tmp_path: Path, said: list[Said], kind: str) -> None:
    schema, words = SCHEMAS[kind]
    hostile = [
        replace(
            one,
            schema=schema.encode("latin-1") + one.schema if kind != "no type" else schema.encode(),
        )
        if one.type == ACTION
        else one
        for one in said
    ]
    refused(write(tmp_path / "x.mcap", hostile), words)


def test_the_same_on_other_topics_is_not_looked_at(tmp_path: Path, said: list[Said]) -> None:
    others = [
        Said(f"/t{k}", f"a/msg/T{k}", schema.encode("latin-1"), b"\0\1\0\0", said[0].log_time)
        for k, (schema, _) in enumerate(SCHEMAS.values())
    ]
    file = write(tmp_path / "x.mcap", [*others, *said])
    assert len(Dataset.open([file])) == 4
    relabel_topics(file, tmp_path / "out", {"/wayfarer": "/lab"})


def test_a_schema_in_another_language_is_named(tmp_path: Path, said: list[Said]) -> None:
    hostile = [replace(one, encoding="ros2idl") if one.type == ACTION else one for one in said]
    refused(
        write(tmp_path / "x.mcap", hostile),
        "has a schema of wayfarer_msgs/msg/Action in 'ros2idl': only ros2msg",
    )


def test_code_in_a_schema_is_text(tmp_path: Path, said: list[Said]) -> None:
    ran = tmp_path / "ran"
    code = f"__import__('pathlib').Path({str(ran)!r}).touch()"
    for schema in (
        f"uint8 X={code}\n",
        f'string X="\'); {code} #"\n',
        f"uint8 x {code}\n",
        f"uint8[{code}] x\n",
    ):
        hostile = [
            replace(one, schema=schema.encode() + one.schema) if one.type == ACTION else one
            for one in said
        ]
        file = write(tmp_path / "x.mcap", hostile)
        verify(file)
        assert not ran.exists()


# --- numbers in messages ---


def changed(one: Said, **fields: object) -> Said:
    types = types_of(Channel(one.topic, one.type, "", one.schema))
    message = replace(types.deserialize_cdr(one.cdr, one.type), **fields)  # type: ignore[type-var]
    return replace(one, cdr=bytes(types.serialize_cdr(message, one.type)))


def test_an_episode_of_more_steps_than_can_be_is_refused(tmp_path: Path, said: list[Said]) -> None:
    for topic, fields in (
        ("action", {"step": 2**32 - 1}),
        ("episode", {"steps": 2**32 - 1, "lost_steps": 2**32 - 1}),
    ):
        hostile = [changed(one, **fields) if one.topic.endswith(topic) else one for one in said]
        file = write(tmp_path / "x.mcap", hostile)
        refused(file, r"says that episode \d has 429496729\d steps, and holds \d actions")
        (tmp_path / "x.mcap").unlink()


def test_the_same_in_a_run_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 3, record={"steps": 2**32 - 1})
    with pytest.raises(
        DataError, match=r"episode_000000\.mcap says that episode 0 has 4294967295 steps"
    ):
        read_episode(run / "episode_000000.mcap")

    assert verify(run).code == UNUSABLE


def test_one_large_image_among_many_steps_takes_no_room_for_all_of_them(
    tmp_path: Path, said: list[Said]
) -> None:
    size = 6000
    data = np.zeros(size * size * 3, np.uint8)
    large = {"height": size, "width": size, "step": 3 * size, "data": data}
    first = itertools.count()
    hostile = []

    for one in said:
        if one.topic.endswith("image"):
            one = changed(one, **large) if not next(first) else None  # type: ignore[assignment]
        elif one.topic.endswith("episode"):
            one = changed(one, steps=1999)

        hostile += [one] if one is not None else []

    refused(
        write(tmp_path / "x.mcap", hostile, Layout(compression="zstd")),
        "holds 1 images .* were 2000",
    )


# --- the rest ---


def test_a_database_that_is_a_view_is_refused(tmp_path: Path) -> None:
    bag = record_plain(
        tmp_path / "bag", [write_episode(tmp_path, 3, 4)], storage=StoragePlugin.SQLITE3
    )
    endless = (
        "with recursive n(id) as (select 1 union all select id + 1 from n) select id, 1, 1, x'00' "
        "from n"
    )
    with sqlite3.connect(bag / "bag.db3") as database:
        database.execute("alter table messages rename to old")
        database.execute(f"create view messages(id, topic_id, timestamp, data) as {endless}")

    refused(bag, "is no rosbag2 bag: it has no table messages")


@pytest.mark.parametrize("column", ["timestamp", "data", "topic_id"])
@pytest.mark.parametrize("value", ["'text'", "null", "1.5", "x'ff'"])
def test_rows_of_other_kinds_are_refused_or_read(tmp_path: Path, column: str, value: str) -> None:
    bag = record_plain(
        tmp_path / "bag", [write_episode(tmp_path, 3, 4)], storage=StoragePlugin.SQLITE3
    )
    with sqlite3.connect(bag / "bag.db3") as database:
        database.executescript("create table other as select * from messages; drop table messages;")
        database.execute("alter table other rename to messages")
        database.execute(f"update messages set {column} = {value} where rowid = 5")

    assert opened_or_refused(bag) <= 4
    verify(bag)


def test_nested_json_in_the_cache_s_index_costs_a_new_cache(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 3)
    Dataset.open([run])
    other = json.dumps({"version": 4, "sha256": "", "index": {"entries": 3}})
    for words in ("[" * 100_000, other, "9" * 5000, "\\ud800"):
        (run / "cache" / "index.json").write_text(words)
        assert len(Dataset.open([run])) == 3


def test_random_files_are_refused_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(60):
        file = tmp_path / f"x{k}{('.mcap', '.db3', '.mcap.zstd')[k % 3]}"
        head = (
            (b"\x89MCAP0\r\n", b"SQLite format 3\0", b"\x28\xb5\x2f\xfd")[k % 3] if k % 2 else b""
        )
        file.write_bytes(head + rng.bytes(int(rng.integers(0, 4000))))

        with pytest.raises(DataError, match=file.name):
            Dataset.open([file])

        assert verify(file).code == UNUSABLE


def test_random_records_inside_a_sound_frame_raise_nothing_but_data_errors(
    tmp_path: Path, said: list[Said]
) -> None:
    rng = np.random.default_rng(1)
    outcomes = {0, 1, 2}
    for k in range(60):
        one = said[int(rng.integers(len(said)))]
        cdr = bytearray(one.cdr)
        for _ in range(int(rng.integers(1, 6))):
            cdr[int(rng.integers(len(cdr)))] = int(rng.integers(256))

        hostile = [replace(other, cdr=bytes(cdr)) if other is one else other for other in said]
        file = write(tmp_path / f"{k}.mcap", hostile, Layout(compression="zstd"))
        assert verify(file).code in outcomes
        assert opened_or_refused(file) <= 4


def test_a_hostile_map_of_metadata_ends(tmp_path: Path, said: list[Said]) -> None:
    data = content(said, Layout(chunked=False, checksums=False))
    good = mapping([text("offered_qos_profiles") + text("")])
    for length in (0, 1, 4, 2**31, 2**32 - 1):
        file = tmp_path / "x.mcap"
        file.write_bytes(data.replace(good, struct.pack("<I", length) + good[4:], 1))
        assert opened_or_refused(file) in (0, 4)


def test_an_episode_s_own_file_is_bounded_too(tmp_path: Path) -> None:
    source = write_episode(tmp_path, 0, 3)
    (tmp_path / "run").mkdir()
    writer = EpisodeWriter(tmp_path / "run" / source.name, [])
    schema = b"wayfarer_msgs/Action again\n"

    for message in messages(source):
        channel = message.channel
        if channel.type == ACTION:
            channel = replace(channel, definition=schema + (channel.definition or b""))
        writer.copy(message, channel)

    writer.close()
    with pytest.raises(DataError, match="without an end"):
        read_episode(tmp_path / "run" / source.name)


def test_the_limits_are_above_what_is_recorded() -> None:
    kinds = fixture.types()
    text_of, _ = kinds.generate_msgdef("wayfarer_msgs/msg/Episode", ros_version=2)
    assert len(text_of) < 256 * 1024 / 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
