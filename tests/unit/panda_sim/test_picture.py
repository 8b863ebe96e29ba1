"""The file by which others draw the simulated arm's world."""

from pathlib import Path

import numpy as np
from panda_sim.world.picture import STATE, StateReader, StateWriter

QPOS = np.arange(7.0)


def test_a_state_is_returned_once(tmp_path: Path) -> None:
    writer, reader = StateWriter(tmp_path / STATE, 7), StateReader(tmp_path / STATE, 7)
    assert reader.read() is None, "nothing has been written yet"
    writer.write(QPOS)
    read = reader.read()
    assert read is not None
    np.testing.assert_array_equal(read[1], QPOS)
    assert reader.read() is None
    writer.write(2.0 * QPOS)
    assert reader.read() is not None


def test_a_reader_outlives_its_writer_and_reads_on_when_another_one_writes(tmp_path: Path) -> None:
    """As a camera outlives the death of the arm that it looks at."""
    StateWriter(tmp_path / STATE, 7).write(QPOS)
    reader = StateReader(tmp_path / STATE, 7)
    assert reader.read() is not None
    (tmp_path / STATE).unlink()
    assert reader.read() is None
    again = StateWriter(tmp_path / STATE, 7)
    assert reader.read() is None, "an arm that has not told its state yet has none of zeros"
    again.write(2.0 * QPOS)
    again.write(3.0 * QPOS)
    read = reader.read()
    assert read is not None
    np.testing.assert_array_equal(read[1], 3.0 * QPOS)


def test_a_file_of_another_size_is_no_state(tmp_path: Path) -> None:
    StateWriter(tmp_path / STATE, 6).write(QPOS[:6])
    assert StateReader(tmp_path / STATE, 7).read() is None
