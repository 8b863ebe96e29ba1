import gc
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from fixtures import episodes as fixture
from fixtures.episodes import PERIOD, executed_message, pose_message, stamp_of, write_episode
from fixtures.full_disk import at_most
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from wayfarer_bags import digests
from wayfarer_bags.assembly import header_stamp
from wayfarer_bags.bag import (
    OPEN_SUFFIX,
    Channel,
    EpisodeWriter,
    messages,
    read_episode,
    read_info,
)
from wayfarer_bags.episode import End, Episode
from wayfarer_bags.joints import arm_joints
from wayfarer_bags.message_types import base_types, decoded
from wayfarer_core import names
from wayfarer_core.errors import DataError


def lost(episode: Episode) -> list[int]:
    return np.flatnonzero(~episode.valid).tolist()


def test_an_episode_reads_back_as_it_was_recorded(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 3, 5, reasons=4))
    assert episode.stamps.tolist() == [stamp_of(k) for k in range(6)]
    assert episode.images.shape == (6, 12, 12, 3)

    for k in range(6):
        assert (episode.images[k] == fixture.expected_image(3, k)).all()
        assert episode.ee_positions[k] == pytest.approx(fixture.expected_pose(3, k)[:3])
        assert episode.object_poses is not None
        assert episode.object_poses[k] == pytest.approx(fixture.expected_object(3, k))

    for k in range(5):
        assert (episode.actions[k] == fixture.expected_action(3, k)).all()
        assert episode.requested[k] == pytest.approx(1.5 * fixture.expected_action(3, k))

    assert episode.reasons.tolist() == [4] * 5
    assert episode.valid.all()
    assert (episode.steps, episode.lost_steps) == (5, 0)


def test_types_and_shapes_are_those_the_episode_promises(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 4))
    assert (episode.stamps.dtype, episode.stamps.shape) == (np.int64, (5,))
    assert (episode.images.dtype, episode.images.shape) == (np.uint8, (5, 12, 12, 3))
    assert (episode.requested.dtype, episode.requested.shape) == (np.float32, (4, 3))
    assert (episode.actions.dtype, episode.actions.shape) == (np.float32, (4, 3))
    assert (episode.reasons.dtype, episode.reasons.shape) == (np.uint16, (4,))
    assert (episode.valid.dtype, episode.valid.shape) == (np.bool_, (4,))
    assert (episode.ee_positions.dtype, episode.ee_positions.shape) == (np.float64, (5, 3))


@pytest.mark.parametrize("end", [End.TERMINATED, End.TRUNCATED, End.ABORTED])
def test_how_an_episode_ended_is_kept(tmp_path: Path, end: End) -> None:
    path = write_episode(tmp_path, 8, 3, end=end)
    for info in (read_episode(path).info, read_info(path)):
        assert (info.number, info.method, info.seed, info.max_steps, info.steps) == (
            8,
            "random",
            7,
            3,
            3,
        )
        assert info.end is end
        assert info.reason == "time limit"
        assert (info.goal, np.isnan(info.goal_novelty)) == ("", True)


def test_the_end_constants_are_those_of_the_message() -> None:
    kind = fixture.types().types["wayfarer_msgs/msg/Episode"]
    assert {end.name: end.value for end in End} == {
        end.name: getattr(kind, end.name) for end in End
    }


def test_without_images_everything_else_is_the_same(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 1, 6, lost_images=[2])
    whole, without = read_episode(path), read_episode(path, with_images=False)
    assert without.images.shape == (7, 0, 0, 3)
    assert (without.valid == whole.valid).all()
    assert (without.stamps == whole.stamps).all()
    assert (without.actions == whole.actions).all()


def test_a_lost_image_loses_the_steps_from_it_and_to_it_and_is_never_guessed(
    tmp_path: Path,
) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 6, lost_images=[3]))
    assert lost(episode) == [2, 3]
    assert episode.lost_steps == 2
    assert not episode.images[3].any()
    assert (episode.images[4] == fixture.expected_image(0, 4)).all()


def test_a_lost_executed_record_loses_its_step_and_leaves_no_number(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 6, lost_executed=[0, 5]))
    assert lost(episode) == [0, 5]
    assert np.isnan(episode.actions[[0, 5]]).all()
    assert np.isfinite(episode.actions[1:5]).all()
    assert np.isfinite(episode.requested).all()


def test_a_lost_action_loses_its_step_and_the_one_before_it(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 6, lost_actions=[2]))
    assert lost(episode) == [1, 2]
    assert episode.stamps[2] == 0
    assert np.isnan(episode.requested[2]).all()
    assert np.isnan(episode.actions[2]).all()
    assert np.isnan(episode.ee_positions[2]).all()


def test_a_lost_last_action_is_counted_because_the_end_record_knows_of_it(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 6, lost_actions=[5]))
    assert episode.steps == 6
    assert lost(episode) == [4, 5]


def test_a_missing_final_observation_loses_the_last_step(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 6, final=False))
    assert lost(episode) == [5]
    assert episode.stamps[6] == 0


@settings(max_examples=10)
@given(
    st.sets(st.integers(0, 5)),
    st.sets(st.integers(0, 4)),
    st.sets(st.integers(0, 4)),
    st.booleans(),
)
def test_every_loss_is_masked_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    images: set[int],
    executed: set[int],
    actions: set[int],
    final: bool,
) -> None:
    path = write_episode(
        tmp_path_factory.mktemp("run"),
        0,
        5,
        lost_images=images,
        lost_executed=executed,
        lost_actions=actions,
        final=final,
    )

    # observations without image or without a name
    gone = images | actions | (set() if final else {5})
    expected = [k for k in range(5) if {k, k + 1} & gone or k in executed]
    episode = read_episode(path)
    assert lost(episode) == expected
    assert np.isfinite(episode.actions[episode.valid]).all()


def test_an_executed_record_that_names_another_observation_does_not_count(tmp_path: Path) -> None:
    stray = [(names.EXECUTED, executed_message(0, 2, stamp_of(2) + 1))]
    assert lost(read_episode(write_episode(tmp_path, 0, 4, lost_executed=[2], before=stray))) == [2]


def test_a_hold_from_before_the_episode_does_not_hide_the_record_of_a_step(tmp_path: Path) -> None:
    hold = [(names.EXECUTED, executed_message(9, 2, stamp_of(0) - 7 * PERIOD, reasons=1024))]
    episode = read_episode(write_episode(tmp_path, 0, 4, before=hold))
    assert lost(episode) == []
    assert (episode.actions[2] == fixture.expected_action(0, 2)).all()
    assert episode.reasons.tolist() == [0, 0, 0, 0]


def test_a_second_record_of_a_step_does_not_replace_the_first(tmp_path: Path) -> None:
    first = [(names.EXECUTED, executed_message(9, 2, stamp_of(2), reasons=16))]
    episode = read_episode(write_episode(tmp_path, 0, 4, before=first))
    assert episode.reasons.tolist() == [0, 0, 16, 0]


def test_a_lost_pose_loses_the_steps_from_it_and_to_it_and_is_never_guessed(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 6, lost_poses=[3], lost_truth=[1, 5, 6]))
    assert lost(episode) == [2, 3]
    assert episode.lost_steps == 2
    assert np.flatnonzero(np.isnan(episode.ee_positions).any(axis=1)).tolist() == [3]
    assert episode.object_poses is not None
    assert np.flatnonzero(np.isnan(episode.object_poses).any(axis=1)).tolist() == [1, 5, 6]


def test_a_pose_stream_that_goes_silent_gives_no_frozen_poses(tmp_path: Path) -> None:
    silent = range(4, 9)
    episode = read_episode(
        write_episode(tmp_path, 1, 8, lost_poses=silent, lost_truth=silent, lost_actions=[5, 6])
    )
    assert lost(episode) == [3, 4, 5, 6, 7]
    assert episode.object_poses is not None
    assert np.isfinite(episode.object_poses[:4]).all()
    assert np.isnan(episode.object_poses[4:]).all()


@pytest.mark.parametrize("rate", [50, 100])
def test_poses_of_their_own_rate_belong_to_the_observation_behind_them(
    tmp_path: Path, rate: int
) -> None:
    late = 10**9 // rate - 1  # ns: a pose is at most its own period old
    before = [
        (names.CURRENT_POSE, pose_message(fixture.expected_pose(0, k), stamp_of(k) - late))
        for k in range(5)
    ]
    episode = read_episode(write_episode(tmp_path, 0, 4, lost_poses=range(5), before=before))
    assert lost(episode) == []
    assert episode.ee_positions[3] == pytest.approx(fixture.expected_pose(0, 3)[:3])


def test_each_observation_has_the_wrist_s_image_of_its_time(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 3, 5, wrist=True)
    episode = read_episode(path)
    expected = [fixture.expected_wrist(3, k) for k in range(6)]
    np.testing.assert_array_equal(episode.wrist_images, expected)
    assert episode.wrist_seen.all()
    assert episode.valid.all()
    assert (episode.images == [fixture.expected_image(3, k) for k in range(6)]).all()
    plain = read_episode(path, with_images=False)
    assert plain.wrist_images is None
    assert plain.wrist_seen.all()


def test_without_a_wrist_camera_there_are_no_images_of_it_and_no_step_is_lost(
    tmp_path: Path,
) -> None:
    episode = read_episode(write_episode(tmp_path, 3, 5))
    assert episode.wrist_images is None
    assert episode.wrist_seen is None
    assert episode.valid.all()


def test_a_lost_image_of_the_wrist_loses_the_steps_from_it_and_to_it_and_is_never_guessed(
    tmp_path: Path,
) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 6, wrist=True, lost_wrist=[3]))
    assert lost(episode) == [2, 3]
    assert np.flatnonzero(~episode.wrist_seen).tolist() == [3]
    assert not episode.wrist_images[3].any()
    assert episode.seen.all()


@pytest.mark.parametrize(("age", "losses"), [(0.1, []), (0.8, []), (0.95, [0, 1, 2, 3])])
def test_a_wrist_camera_of_its_own_rate_gives_the_newest_image_at_or_before_an_observation(
    tmp_path: Path, age: float, losses: list[int]
) -> None:
    path = write_episode(tmp_path, 0, 4, wrist=True, wrist_age=round(age * fixture.PERIOD))
    episode = read_episode(path)
    assert lost(episode) == losses
    if not losses:
        np.testing.assert_array_equal(
            episode.wrist_images, [fixture.expected_wrist(0, k) for k in range(5)]
        )


def test_without_a_truth_topic_there_are_no_object_poses(tmp_path: Path) -> None:
    assert read_episode(write_episode(tmp_path, 0, 3, truth=False)).object_poses is None


def test_an_episode_of_no_steps_is_one_observation(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 0, 0))
    assert (episode.steps, episode.lost_steps) == (0, 0)
    assert episode.images.shape == (1, 12, 12, 3)


@pytest.mark.parametrize("namespace", ["", "/wayfarer", "/lab/left_arm"])
def test_topics_are_known_under_any_namespace(tmp_path: Path, namespace: str) -> None:
    path = write_episode(tmp_path, 4, 3, namespace=namespace)
    assert read_episode(path).lost_steps == 0
    assert read_info(path).number == 4


def test_messages_come_in_log_order_under_their_contract_names_and_can_be_filtered(
    tmp_path: Path,
) -> None:
    path = write_episode(tmp_path, 0, 3)
    everything = list(messages(path, base_types()))
    assert len(everything) == 2 + 4 * 3 + 3 * 2
    assert [m.log_time for m in everything] == sorted(m.log_time for m in everything)
    images = list(messages(path, base_types(), ["/wayfarer/observation/image"]))
    assert {m.name for m in images} == {names.OBSERVATION_IMAGE}
    assert [m.stamp for m in images] == [stamp_of(k) for k in range(4)]


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 999_999_999))
def test_a_header_stamp_is_read_from_the_first_bytes(seconds: int, nanoseconds: int) -> None:
    cdr = b"\0\1\0\0" + struct.pack("<iI", seconds, nanoseconds) + b"rest"
    assert header_stamp(cdr) == seconds * 10**9 + nanoseconds


# --- a clock that goes back ---


def recorded_while_the_clock_went_back(
    source: Path, folder: Path, after: int, by: int, late_hold: bool = False
) -> Path:
    """Write an episode's file as a recorder does whose own clock is set back behind so many
    messages, by ns.
    """
    found = list(messages(source))
    folder.mkdir()
    writer = EpisodeWriter(folder / source.name, [message.channel for message in found])

    for k, message in enumerate(found):
        now = max(message.log_time - (by if k >= after else 0), 0)
        writer.copy(message._replace(log_time=now, publish_time=now), message.channel)
        if late_hold and message.name == names.EXECUTED:
            hold = executed_message(2, 99, message.stamp, reasons=128)
            said = decoded(message)
            hold.step, hold.executed[:] = said.step, 0.0
            cdr = bytes(fixture.types().serialize_cdr(hold, message.type))
            earlier = max(now - by, 0)
            writer.copy(
                message._replace(cdr=cdr, log_time=earlier, publish_time=earlier), message.channel
            )

    writer.close()

    return folder / source.name


@pytest.mark.parametrize("back", [0.02, 0.7, 5.0])
@pytest.mark.parametrize("late_hold", [False, True])
def test_an_episode_is_read_in_the_order_it_was_written(
    tmp_path: Path, back: float, late_hold: bool
) -> None:
    source = write_episode(tmp_path, 2, 4)
    whole, count = read_episode(source), len(list(messages(source)))
    for after in range(1, count, 3):
        path = recorded_while_the_clock_went_back(
            source, tmp_path / str(after), after, round(back * 1e9), late_hold
        )
        episode = read_episode(path)
        for info in (episode.info, read_info(path)):
            assert (info.end, info.reason, info.steps) == (End.TRUNCATED, "time limit", 4)

        assert lost(episode) == []
        assert (episode.actions == whole.actions).all()
        assert episode.reasons.tolist() == [0] * 4
        assert (episode.images == whole.images).all()
        assert (episode.ee_positions == whole.ee_positions).all()


# --- files that are open, torn or damaged ---


def channel() -> Channel:
    return Channel("/wayfarer/replay/episode", "wayfarer_msgs/msg/Episode", "")


def test_an_episode_has_its_own_name_only_once_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    writer = EpisodeWriter(path, [channel()], fixture.types())
    assert [p.name for p in tmp_path.iterdir()] == ["episode_000000.mcap.part"]
    writer.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["SHA256SUMS", "episode_000000.mcap"]
    assert digests.read(tmp_path) == {"episode_000000.mcap": digests.digest_of(path)}


def test_an_open_file_of_the_same_name_is_never_overwritten(tmp_path: Path) -> None:
    torn = tmp_path / "episode_000000.mcap.part"
    torn.write_bytes(b"precious")
    with pytest.raises(DataError, match="File exists"):
        EpisodeWriter(tmp_path / "episode_000000.mcap", [channel()], fixture.types())
    assert torn.read_bytes() == b"precious"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cannot write .*gone/episode_000000\.mcap\.part: No such file"
    ):
        EpisodeWriter(tmp_path / "gone" / "episode_000000.mcap", [channel()], fixture.types())


def test_a_disk_that_is_full_is_an_error_with_the_file_s_name(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    writer = EpisodeWriter(path, [channel()], fixture.types())
    incompressible = np.random.default_rng(0).bytes(300_000)
    writer.write("/wayfarer/replay/episode", incompressible, 1, 1)

    with at_most(400_000):
        with pytest.raises(
            DataError, match=r"cannot write .*episode_000000\.mcap\.part: File too large"
        ):
            writer.write("/wayfarer/replay/episode", incompressible, 2, 2)

        with pytest.raises(
            DataError, match=r"cannot finish .*episode_000000\.mcap\.part: File too large"
        ):
            writer.close()

    assert not path.exists()


def test_a_torn_file_gives_what_it_holds_and_no_end(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 2, 6, end=None)
    assert path.name.endswith(OPEN_SUFFIX)
    episode = read_episode(path)
    assert episode.info.end is End.UNFINISHED
    assert episode.info.reason == "the recorder was killed"
    assert episode.steps == 6

    # which observation follows the last action only the end record knows
    assert lost(episode) == [5]


def test_a_file_torn_anywhere_is_read_up_to_there_or_refused(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 2, 25, end=None, size=96)
    data = path.read_bytes()
    assert len(data) > 2 * 256 * 1024  # several chunks
    rng = random.Random(0)
    readable = []

    for length in sorted([0, 1, 7, 8, 9, 100, *(rng.randrange(len(data)) for _ in range(25))]):
        path.write_bytes(data[:length])
        try:
            episode = read_episode(path, with_images=False)
        except DataError:
            assert not readable  # once the first chunk is there, more bytes never mean less
            continue

        assert episode.info.end is End.UNFINISHED
        readable.append(episode.steps)

    assert readable == sorted(readable)
    assert len(readable) > 5
    assert readable[0] < readable[-1]


def test_a_torn_file_whose_tail_is_garbage_raises_nothing_but_data_errors(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 2, 8, end=None, size=48)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()

    for k in range(16):
        length = int(rng.integers(8, len(data)))
        tail = rng.bytes(int(rng.integers(1, 300))) if k % 2 else bytes(int(rng.integers(1, 300)))
        path.write_bytes(data[:length] + tail)
        try:
            outcomes.add(read_episode(path, with_images=False).info.end)
        except DataError:
            outcomes.add("refused")

    assert outcomes <= {End.UNFINISHED, "refused"}
    assert outcomes


def test_a_finished_file_cut_short_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 2, 4)
    data = path.read_bytes()
    rng = random.Random(0)

    for length in [
        0,
        1,
        7,
        8,
        9,
        20,
        len(data) - 8,
        len(data) - 1,
        *(rng.randrange(len(data)) for _ in range(12)),
    ]:
        path.write_bytes(data[:length])
        for read in (read_episode, read_info):
            with pytest.raises(DataError, match=r"episode_000002\.mcap"):
                read(path)


def test_a_finished_file_with_a_flipped_bit_is_refused_or_read_as_it_was(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 2, 4)
    data = path.read_bytes()
    rng = random.Random(0)
    refused = 0

    for _ in range(30):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)

        try:
            episode = read_episode(path)
        except DataError:
            refused += 1
        else:
            for k in np.flatnonzero(episode.valid):
                assert (episode.images[k] == fixture.expected_image(2, int(k))).all()
                assert (episode.actions[k] == fixture.expected_action(2, int(k))).all()

    assert refused > 5


def test_damage_inside_a_chunk_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = write_episode(tmp_path, 2, 4)
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()

    assert summary is not None
    (chunk,) = summary.chunk_indexes
    data[chunk.chunk_start_offset + chunk.chunk_length - 20] ^= 255
    path.write_bytes(data)

    with pytest.raises(DataError, match="is damaged"):
        read_episode(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_episode, read_info):
        with pytest.raises(DataError, match=r"nothing\.mcap: No such file"):
            read(tmp_path / "nothing.mcap")


def test_a_bag_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "episode_000000.mcap"
    EpisodeWriter(path, [Channel("/chatter", "std_msgs/msg/Header", "")], fixture.types()).close()
    for read in (read_episode, read_info):
        with pytest.raises(DataError, match="holds no episode record"):
            read(path)


# --- other readers ---


def test_the_file_says_what_ros2_bag_and_foxglove_look_for(tmp_path: Path) -> None:
    with write_episode(tmp_path, 0, 3).open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary is not None
        assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
        assert {c.message_encoding for c in summary.channels.values()} == {"cdr"}
        assert all(
            "reliability: reliable" in c.metadata["offered_qos_profiles"]
            for c in summary.channels.values()
        )
        assert len(list(reader.iter_messages())) == 20


def test_reading_episode_after_episode_leaves_no_classes_behind(tmp_path: Path) -> None:
    """A collector reads hundreds an hour.

    What Python's search for cycles has not found yet is memory, too.
    """
    files = [write_episode(tmp_path, number, 2) for number in range(4)]
    read_episode(files[0])
    gc.collect()
    gc.disable()

    try:
        before = sum(isinstance(thing, type) for thing in gc.get_objects())
        for file in files:
            read_episode(file)
            read_info(file)

        assert sum(isinstance(thing, type) for thing in gc.get_objects()) == before
    finally:
        gc.enable()


# --- what the arm felt ---


def test_joints_are_those_of_the_arm_by_their_numbers_at_each_observation(tmp_path: Path) -> None:
    episode = read_episode(write_episode(tmp_path, 3, 4, joints=True, lost_joints=[2]))
    expected = np.array([fixture.expected_joints(3, k) for k in range(5)])  # (T + 1, 2, 7)
    there = np.arange(5) != 2
    assert episode.joint_positions is not None
    assert episode.joint_velocities is not None
    assert (episode.joint_positions[there] == expected[there, 0]).all()
    assert (episode.joint_velocities[there] == expected[there, 1]).all()
    assert np.isnan(episode.joint_positions[2]).all()
    assert episode.valid.all()  # no step is lost for want of them
    assert episode.ee_orientations is not None
    assert (episode.ee_orientations == [1, 0, 0, 0]).all()


@pytest.mark.parametrize(
    ("called", "there"),
    [
        ([f"fr3_joint{k}" for k in range(1, 8)], True),
        ([f"joint_{k}" for k in range(7, 0, -1)], True),
        ([f"panda_joint{k}" for k in range(1, 7)] + ["panda_finger_joint1"], False),
        (["shoulder", "elbow"], False),
    ],
)
def test_an_arm_s_joints_are_known_by_names_that_end_in_their_number(
    called: list[str], there: bool
) -> None:
    places = arm_joints(tuple(called))
    assert [called[k] for k in places] == (sorted(called) if there else [])
