"""A run that was recorded on 26 November 2026, at commit 4ae8133.

What it said then, it says still.
"""

import shutil
import zlib
from pathlib import Path

import fixtures
import numpy as np
import pytest
from wayfarer_bags import digests
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import ActionSource
from wayfarer_bags.run_directory import RunDirectory, RunWriter, finished
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.upkeep.recover import recover_in_place
from wayfarer_data.upkeep.rewrite import merge, relabel_topics
from wayfarer_data.upkeep.verify import GOOD, verify

RECORDED = Path(fixtures.__file__).parent / "old_run"
STEPS = 6
# CRC-32 of what that commit read in each episode: images, actions, stamps, positions, poses of the
# cube, log times
READ_THEN = [
    [1643979309, 2740097468, 1607070530, 1433229610, 3603455849, 355887302],
    [1814254281, 277267429, 3354051293, 691775750, 3603455849, 2172079227],
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDED, tmp_path / "run"))


def test_it_reads_as_it_did() -> None:
    for number, checksums in enumerate(READ_THEN):
        episode = read_episode(RECORDED / f"episode_{number:06d}.mcap")
        found = (
            episode.images,
            episode.actions,
            episode.stamps,
            episode.ee_positions,
            episode.object_poses,
        )
        columns = [np.ascontiguousarray(of).tobytes() for of in (*found, episode.observed_at)]
        assert [zlib.crc32(column) for column in columns] == checksums
        assert episode.valid.all()
        assert (episode.sources == ActionSource.POLICY).all()


def test_it_is_good_and_what_it_has_no_digests_of_is_said(run: Path) -> None:
    verdict = verify(run)
    assert (verdict.code, verdict.episodes, verdict.steps, verdict.lost_steps) == (
        GOOD,
        2,
        2 * STEPS,
        0,
    )
    assert [finding.what for finding in verdict.findings] == [
        "has no digest of run.yaml and metadata.yaml: not all is seen"
    ]
    assert finished(run) == (2, 2 * STEPS)
    data = Dataset.open([run])
    assert (len(data), data.column("stamps").tolist()[:2]) == (
        2 * STEPS,
        [5_000_000_000, 5_500_000_000],
    )


def test_it_is_continued_and_has_its_digests_then(run: Path) -> None:
    description = RunDirectory(run).description()
    recorder = RunWriter(run)
    assert recorder.next_number() == 2
    recorder.describe(description)
    recorder.write_metadata()
    recorder.release()
    assert set(digests.read(run)) == {
        "episode_000000.mcap",
        "episode_000001.mcap",
        "metadata.yaml",
        "run.yaml",
    }
    assert (verify(run).code, verify(run).findings) == (GOOD, ())


def test_it_goes_through_the_tools(run: Path, tmp_path: Path) -> None:
    expected = Dataset.open([run])
    merge([run, RECORDED], tmp_path / "merged")
    relabel_topics(run, tmp_path / "lab", {"/wayfarer": "/lab"})
    assert recover_in_place(run).code == GOOD

    for made, count in ((tmp_path / "merged", 2), (tmp_path / "lab", 1), (run, 1)):
        assert verify(made).code == GOOD
        found = Dataset.open([made])
        rows = found.transitions[: len(expected)]
        assert len(found) == count * len(expected)
        assert (found.frames(rows) == expected.frames(expected.transitions)).all()
        assert (found.actions(rows) == expected.actions(expected.transitions)).all()
