"""Checkpoints and transmitted weights: safetensors with JSON in the header, never pickle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from wayfarer_core.atomic import make_folder, write_atomically
from wayfarer_core.errors import DataError
from wayfarer_core.plain_yaml import refuse_pointer

VERSION = 1
HEADER = "wayfarer"  # key of the JSON in the safetensors header


@dataclass(frozen=True)
class State:
    """The whole state of a part: named tensors and JSON values.

    Names of nested parts are joined with '/'.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def join(cls, parts: Mapping[str, "State"]) -> Self:
        """Put the states of several parts into one."""
        return cls(
            {
                f"{part}/{name}": tensor
                for part, state in parts.items()
                for name, tensor in state.tensors.items()
            },
            {
                f"{part}/{name}": value
                for part, state in parts.items()
                for name, value in state.values.items()
            },
        )

    def part(self, name: str) -> "State":
        """Return one part; DataError if there is none of that name."""
        prefix = f"{name}/"
        tensors = {
            key.removeprefix(prefix): t for key, t in self.tensors.items() if key.startswith(prefix)
        }
        values = {
            key.removeprefix(prefix): v for key, v in self.values.items() if key.startswith(prefix)
        }

        if not tensors and not values:
            parts = sorted({key.split("/")[0] for key in (*self.tensors, *self.values)})
            raise DataError(f"the checkpoint has no part {name!r}; it has {parts}")

        return State(tensors, values)

    def value(self, name: str) -> Any:
        """Return one JSON value; DataError if it is missing."""
        if name not in self.values:
            raise DataError(f"the checkpoint has no value {name!r}; it has {sorted(self.values)}")
        return self.values[name]


# --- files ---


def write(path: Path, kind: str, state: State) -> None:
    """Write a checkpoint so that a power cut leaves either the old or the new one.

    DataError if it cannot be written, for example on a full disk. The old one then stays.
    """
    make_folder(path.parent)
    write_atomically(path, to_bytes(kind, state))


def read(path: Path, kind: str) -> State:
    """Read a checkpoint.

    DataError if it is missing, cannot be read, is damaged or of another kind.
    """
    if not path.exists():
        raise DataError(f"there is no checkpoint {path}")

    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error

    refuse_pointer(path, data)

    return from_bytes(data, kind, str(path))


def to_bytes(kind: str, state: State) -> bytes:
    """Return a safetensors file's bytes, the JSON values in its header."""
    tensors = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.tensors.items()
    }
    header = {"version": VERSION, "kind": kind, "values": dict(state.values)}

    # one key, so that the bytes do not depend on an order of keys
    return safetensors.torch.save(tensors, {HEADER: json.dumps(header, sort_keys=True)})


def from_bytes(data: bytes, kind: str, origin: str = "weights") -> State:
    """Read a safetensors file's bytes; DataError if they are damaged or of another kind."""
    try:
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][HEADER])
        found, values = (header["version"], header["kind"]), dict(header["values"])
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{origin}: not a Wayfarer safetensors file, or damaged ({error})"
        ) from error

    if found != (VERSION, kind):
        raise DataError(f"{origin}: version and kind are {found}, expected {(VERSION, kind)}")

    return State(tensors, values)


def digest(data: bytes) -> str:
    """Return the SHA-256 hex digest that is sent with weights."""
    return hashlib.sha256(data).hexdigest()


# --- parts ---

Part = nn.Module | torch.optim.Optimizer | torch.Generator | np.random.Generator


def states(parts: Mapping[str, Part]) -> dict[str, State]:
    """Return the state of each part."""
    return {name: _state_of(part) for name, part in parts.items()}


def _state_of(part: Part) -> State:
    if isinstance(part, nn.Module):
        return module_state(part)
    if isinstance(part, torch.optim.Optimizer):
        return optimizer_state(part)
    return generator_state(part) if isinstance(part, torch.Generator) else rng_state(part)


def save(parts: Mapping[str, Part], **counts: int) -> State:
    """Return the state of a learner: its parts and its counts."""
    return State.join({**states(parts), "self": State({}, counts)})


def restore(parts: Mapping[str, Part], state: State, name: str, *counts: str) -> list[int]:
    """Restore all parts of `name` from a joined state, and return its counts.

    DataError if networks differ or a count is missing; nothing is changed then.
    """
    counted = [int(state.part("self").value(count)) for count in counts]
    for key, part in parts.items():
        if isinstance(part, nn.Module):
            check_module(part, state.part(key), f"{name} {key}")

    for key, part in sorted(
        parts.items(), key=lambda it: not isinstance(it[1], torch.optim.Optimizer)
    ):
        of = state.part(key)
        if isinstance(part, nn.Module):
            restore_module(part, of, f"{name} {key}")
        # optimisers come first: their shapes tell networks apart that have equal names
        elif isinstance(part, torch.optim.Optimizer):
            restore_optimizer(part, of, f"{name} {key}")
        elif isinstance(part, torch.Generator):
            restore_generator(part, of)
        else:
            restore_rng(part, of)

    return counted


def module_state(module: nn.Module) -> State:
    """Return the parameters and buffers of a module."""
    return State(module.state_dict())


def check_module(module: nn.Module, state: State, name: str) -> None:
    """Compare names, shapes and types; DataError names the first tensor that differs."""
    own = module.state_dict()
    if missing := sorted(own.keys() ^ state.tensors.keys()):
        raise DataError(
            f"{name}: another kind of network: {missing[0]!r} and {len(missing) - 1} more do not "
            "match"
        )

    for key, tensor in own.items():
        given = state.tensors[key]
        if (given.shape, given.dtype) != (tensor.shape, tensor.dtype):
            raise DataError(
                f"{name}: {key!r} is {given.dtype} {tuple(given.shape)}, expected {tensor.dtype} "
                f"{tuple(tensor.shape)}"
            )


def restore_module(module: nn.Module, state: State, name: str) -> None:
    """Load parameters and buffers after checking all of them.

    DataError leaves the module as it was.
    """
    check_module(module, state, name)
    module.load_state_dict(dict(state.tensors))


def optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    """Return an optimiser's moments and step counts."""
    moments = optimizer.state_dict()["state"]
    tensors = {
        f"{index}.{key}": value for index, of in moments.items() for key, value in of.items()
    }

    return State(tensors, {"kind": type(optimizer).__name__})


def restore_optimizer(optimizer: torch.optim.Optimizer, state: State, name: str) -> None:
    """Load an optimiser's moments; DataError if they belong to another network."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.tensors.items():
        index, _, field_name = key.partition(".")
        moments.setdefault(int(index), {})[field_name] = tensor.clone()

    shapes = [tuple(p.shape) for group in optimizer.param_groups for p in group["params"]]
    found = {index: tuple(of["exp_avg"].shape) for index, of in moments.items()}
    if any(index >= len(shapes) or shapes[index] != shape for index, shape in found.items()):
        raise DataError(f"{name}: optimiser moments of another network: {found}, expected {shapes}")

    optimizer.load_state_dict(
        {"state": moments, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def generator_state(generator: torch.Generator) -> State:
    """Return a torch generator's state."""
    return State({"state": generator.get_state()})


def restore_generator(generator: torch.Generator, state: State) -> None:
    """Set a torch generator; DataError if the state is of another kind."""
    try:
        generator.set_state(state.tensors["state"])
    except (KeyError, RuntimeError, TypeError) as error:
        raise DataError(f"this is not the state of a torch generator ({error})") from error


def rng_state(rng: np.random.Generator) -> State:
    """Return a numpy generator's state."""
    return State({}, {"state": rng.bit_generator.state})


def restore_rng(rng: np.random.Generator, state: State) -> None:
    """Set a numpy generator; DataError if the state is of another kind."""
    try:
        rng.bit_generator.state = state.value("state")
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"this is not the state of a numpy {type(rng.bit_generator).__name__} ({error})"
        ) from error
