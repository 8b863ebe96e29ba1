import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from wayfarer_core.errors import DataError
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import LabelledBatch, Observation
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.networks import (
    EncoderConfig,
    Heads,
    SeparateEncoders,
    weights_from_bytes,
    weights_to_bytes,
)
from wayfarer_policies.algorithms.td3 import TD3, TD3Config

MakeBatch = Callable[..., LabelledBatch]
ENCODER = EncoderConfig(
    channels=6, height=36, width=36, filters=(4, 8, 8), features=16, ee_position=True
)
SMALL = TD3Config(
    encoder=ENCODER, heads=Heads((-0.5, -1.0, -1.0), (0.5, 1.0, 2.0), (20, 10), (20, 10))
)


def some_state() -> State:
    awkward = torch.tensor([0.1, float("nan"), float("inf"), -0.0, 1e-45])

    return State.join(
        {
            "a": State(
                {"w": awkward, "n": torch.tensor(3, dtype=torch.int64)},
                {"pi": 3.141592653589793, "big": 2**120},
            ),
            "b": State({}, {"empty": None}),
        }
    )


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "learner.safetensors"
    checkpoint.write(path, "learner", some_state())
    back = checkpoint.read(path, "learner")
    assert (
        back.part("a").tensors["w"].numpy().tobytes()
        == some_state().part("a").tensors["w"].numpy().tobytes()
    )
    assert dict(back.values) == dict(some_state().values)
    assert [entry.name for entry in path.parent.iterdir()] == ["learner.safetensors"]


def test_a_write_that_fails_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "learner.safetensors"
    checkpoint.write(path, "learner", State({}, {"version": 1}))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*learner\.safetensors: No space left"):
        checkpoint.write(path, "learner", State({}, {"version": 2}))

    assert checkpoint.read(path, "learner").value("version") == 1


def safetensors_file(metadata: str) -> bytes:
    """A file without tensors, with this text as our part of its header."""
    header = json.dumps({"__metadata__": {"wayfarer": metadata}}).encode()
    return len(header).to_bytes(8, "little") + header


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "metadata",
    [
        NESTED,
        f'{{"version": 1, "kind": "actor", "values": {NESTED}}}',
        '{"version": 1, "kind": "actor", "values": [1, 2]}',
        f'{{"version": {"9" * 5000}, "kind": "actor", "values": {{}}}}',
        "[1]",
        "\udcff",
    ],
)
def test_a_hostile_header_costs_little_and_is_one_error(metadata: str) -> None:
    data = safetensors_file(metadata)
    with pytest.raises(DataError, match="weights: not a Wayfarer safetensors file, or damaged"):
        weights_from_bytes(data, checkpoint.digest(data))


def test_a_git_lfs_pointer_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "learner.safetensors"
    file.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n")
    with pytest.raises(DataError, match=rf"{file} is a Git LFS pointer and not the file itself"):
        checkpoint.read(file, "learner")


def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(DataError, match=r"cannot read the checkpoint .*folder: Is a directory"):
        checkpoint.read(folder, "learner")


@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped header", "missing", "pickle"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "learner.safetensors"
    checkpoint.write(path, "learner", some_state())
    data = path.read_bytes()

    if damage == "missing":
        path.unlink()
    elif damage == "pickle":
        torch.save({"a": 1}, path)
    else:
        path.write_bytes(
            {"cut": data[:-3], "garbage": b"\0" * 50, "flipped header": data[:8] + b"x" + data[9:]}[
                damage
            ]
        )

    with pytest.raises(DataError, match="learner"):
        checkpoint.read(path, "learner")


def test_another_kind_or_a_missing_part_is_an_error_that_lists_what_is_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "novelty.safetensors"
    checkpoint.write(path, "novelty", some_state())
    with pytest.raises(DataError, match="learner"):
        checkpoint.read(path, "learner")

    with pytest.raises(DataError, match=r"\['a', 'b'\]"):
        some_state().part("c")

    with pytest.raises(DataError, match="pi"):
        some_state().part("a").value("e")


def test_the_file_is_plain_safetensors_with_json(tmp_path: Path) -> None:
    path = tmp_path / "x"
    checkpoint.write(path, "learner", some_state())
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["wayfarer"])["kind"] == "learner"
    assert set(header) == {"__metadata__", "a/w", "a/n"}


def test_weights_of_another_shape_or_kind_are_refused_and_nothing_changes(
    make_batch: MakeBatch,
) -> None:
    wide = TD3(
        TD3Config(
            encoder=EncoderConfig(6, 36, 36, (4, 8, 8), 32, ee_position=True), heads=SMALL.heads
        )
    )
    separate = TD3(SMALL, SeparateEncoders)
    for other, message in ((wide, "expected"), (separate, "another kind")):
        td3 = TD3(SMALL)
        td3.update(make_batch())
        before = td3.state()
        with pytest.raises(DataError, match=message):
            td3.restore(other.state())

        assert all(torch.equal(t, td3.state().tensors[name]) for name, t in before.tensors.items())


def test_a_module_is_checked_before_it_is_touched() -> None:
    module = nn.Linear(2, 2)
    before = module.weight.clone()
    wrong = State({"weight": torch.ones(2, 2), "bias": torch.ones(3)})
    with pytest.raises(DataError, match="'bias' is"):
        checkpoint.restore_module(module, wrong, "layer")

    assert torch.equal(module.weight, before)


def test_random_generators_continue_where_they_were() -> None:
    torch_generator, rng = torch.Generator().manual_seed(3), np.random.default_rng(3)
    torch.rand(5, generator=torch_generator)
    rng.normal(size=5)
    states = checkpoint.generator_state(torch_generator), checkpoint.rng_state(rng)
    states = tuple(checkpoint.from_bytes(checkpoint.to_bytes("g", state), "g") for state in states)  # type: ignore[assignment]
    other_generator, other = torch.Generator(), np.random.default_rng(0)
    checkpoint.restore_generator(other_generator, states[0])
    checkpoint.restore_rng(other, states[1])
    assert torch.equal(
        torch.rand(9, generator=other_generator), torch.rand(9, generator=torch_generator)
    )
    assert (other.normal(size=9) == rng.normal(size=9)).all()

    with pytest.raises(DataError, match="numpy PCG64"):
        checkpoint.restore_rng(
            other, checkpoint.rng_state(np.random.Generator(np.random.MT19937()))
        )


def test_a_policy_on_the_wire_describes_itself_and_acts_the_same() -> None:
    actor = TD3(SMALL).actor()
    data, sha256 = weights_to_bytes(actor)
    received = weights_from_bytes(data, sha256)
    seen = Observation(torch.full((1, 6, 36, 36), 9, dtype=torch.uint8), torch.ones(1, 3))
    expected = TD3(SMALL).greedy(seen)
    assert received.head.low.tolist() == [-0.5, -1.0, -1.0]
    assert received.encoder.config == ENCODER
    td3 = TD3(SMALL)
    td3.networks.load_state_dict({**td3.networks.state_dict(), **_renamed(received)})
    assert torch.equal(td3.greedy(seen), expected)
    assert weights_to_bytes(received) == (data, sha256)


def _renamed(actor: nn.Module) -> dict[str, torch.Tensor]:
    return {name.replace("head.", "policy."): tensor for name, tensor in actor.state_dict().items()}


def test_weights_that_were_damaged_on_the_way_are_refused() -> None:
    data, sha256 = weights_to_bytes(TD3(SMALL).actor())
    with pytest.raises(DataError, match="SHA-256"):
        weights_from_bytes(data[:-1] + b"\x01", sha256)

    learner = checkpoint.to_bytes("learner", State())
    with pytest.raises(DataError, match="kind"):
        weights_from_bytes(learner, checkpoint.digest(learner))
