"""The model library.

It is compiled at the start from the simulated links, and the box itself uses it.

A client receives the same file by LoadModelLibrary, writes it to disk and opens it.
"""

import ctypes
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panda_sim.arm.limits import Vector
from panda_sim.errors import PandaSimError

SOURCE = Path(__file__).with_name("model.c")
COMPILE_TIME = 60.0  # s, deadline of the compiler
ARCHITECTURES = {
    "x86_64": 0,
    "i686": 1,
    "armv7l": 2,
    "aarch64": 3,
}  # platform.machine() and LoadModelLibrary's number
SYSTEMS = {"Linux": 0, "Windows": 1}
GRAVITY = np.array([0.0, 0.0, -9.81])  # m/s^2, base frame


@dataclass(frozen=True)
class Link:
    """A rigid body in the frame of its joint.

    Mass [kg], centre (3,) [m], inertia (3, 3) about it [kg m^2].
    """

    mass: float
    centre: Vector
    inertia: Vector


@dataclass(frozen=True)
class Payload:
    """The load on the flange, with libfranka's names.

    M_total, F_x_Ctotal (3,), I_total (3, 3), in flange axes.
    """

    mass: float
    centre: Vector
    inertia: Vector

    def joined(self, other: "Payload") -> "Payload":
        """Return both as one body (parallel axis theorem)."""
        mass = self.mass + other.mass
        if mass == 0.0:
            return Payload(0.0, np.zeros(3), np.zeros((3, 3)))

        centre = (self.mass * self.centre + other.mass * other.centre) / mass
        inertia = sum(
            part.inertia + _offset(part.mass, part.centre - centre)
            for part in (self, other)
            if part.mass
        )

        return Payload(mass, centre, np.asarray(inertia))


def _offset(mass: float, lever: Vector) -> Vector:
    return np.asarray(mass * (lever @ lever * np.eye(3) - np.outer(lever, lever)))


def header(links: Sequence[Link]) -> str:
    """Return links.h, which model.c includes."""

    def numbers(values: Vector) -> str:
        if values.ndim == 0:
            return float(values).hex()
        return "{" + ", ".join(numbers(value) for value in values) + "}"

    mass, centre, inertia = (
        np.array([getattr(k, name) for k in links]) for name in ("mass", "centre", "inertia")
    )

    return (
        f"static const double MASS[7] = {numbers(mass)};\n"
        f"static const double CENTRE[7][3] = {numbers(centre)};\n"
        f"static const double INERTIA[7][3][3] = {numbers(inertia)};\n"
    )


def build(links: Sequence[Link]) -> bytes:
    """Compile the library for this machine and return the file's bytes.

    Raises:
        PandaSimError: there is no C compiler, or it fails.

    """
    compiler = next(
        (found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None
    )
    if compiler is None:
        raise PandaSimError(
            "no C compiler (cc, gcc or clang) to build the model library: install one"
        )

    with tempfile.TemporaryDirectory(prefix="panda-sim-") as name:
        folder = Path(name)
        (folder / "links.h").write_text(header(links))
        target = folder / "model.so"
        command = [
            compiler,
            "-O2",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
            "-ffp-contract=off",
            f"-I{folder}",
        ]
        command += ["-o", str(target), str(SOURCE), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIME)
        if done.returncode:
            raise PandaSimError(f"{' '.join(command)} failed: {done.stderr}")

        return target.read_bytes()


def fits(architecture: int, system: int) -> bool:
    """Say whether a library built here runs on the client, by LoadModelLibrary's numbers."""
    here = (ARCHITECTURES.get(platform.machine()), SYSTEMS.get(platform.system()))
    return (architecture, system) == here


class Model:
    """The opened library, with its own arrays for inputs and outputs: a call costs 2 us.

    It returns these arrays: they change with the next call. Matrices are Fortran-ordered.
    """

    def __init__(self, binary: bytes) -> None:
        self.binary = binary
        with tempfile.NamedTemporaryFile(prefix="panda-sim-", suffix=".so") as file:
            file.write(binary)
            file.flush()
            self._library = ctypes.CDLL(file.name)

        self._q, self._dq = np.zeros(7), np.zeros(7)
        self._F_T_EE = np.asfortranarray(np.eye(4))
        self._mass = ctypes.c_double(0.0)
        self._centre, self._inertia = np.zeros(3), np.asfortranarray(np.zeros((3, 3)))
        self._gravity = GRAVITY.copy()
        self._T, self._J = np.asfortranarray(np.eye(4)), np.asfortranarray(np.zeros((6, 7)))
        self._M, self._c, self._g = np.asfortranarray(np.zeros((7, 7))), np.zeros(7), np.zeros(7)
        hung = (self._inertia, self._mass, self._centre)
        self._pose_call = self._call("O_T_J9", self._q, self._F_T_EE, self._T)
        self._jacobian_call = self._call("O_J_J9", self._q, self._F_T_EE, self._J)
        self._mass_call = self._call("M_NE", self._q, *hung, self._M)
        self._coriolis_call = self._call("c_NE", self._q, self._dq, *hung, self._c)
        self._gravity_call = self._call(
            "g_NE", self._q, self._gravity, self._mass, self._centre, self._g
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        """Bind a function of the library to arrays with fixed addresses."""
        function = getattr(self._library, name)
        function.restype = None
        given = [
            a if isinstance(a, ctypes.c_double) else ctypes.c_void_p(a.ctypes.data)
            for a in arguments
        ]

        return lambda: function(*given)

    def carry(self, payload: Payload) -> None:
        """Include the load on the flange in mass matrix, Coriolis torques and gravity."""
        self._mass.value = payload.mass
        self._centre[:], self._inertia[:] = payload.centre, payload.inertia

    def pose(self, q: Vector, F_T_EE: Vector) -> Vector:
        """Return O_T_EE, (4, 4), for angles (7,) [rad] and an end effector (4, 4), flange frame."""
        self._q[:], self._F_T_EE[:] = q, F_T_EE
        self._pose_call()
        return self._T

    def jacobian(self, q: Vector, F_T_EE: Vector) -> Vector:
        """Return the end effector's Jacobian, (6, 7), in the base frame, linear rows first."""
        self._q[:], self._F_T_EE[:] = q, F_T_EE
        self._jacobian_call()
        return self._J

    def mass_matrix(self, q: Vector) -> Vector:
        """Return the mass matrix, (7, 7) [kg m^2]."""
        self._q[:] = q
        self._mass_call()
        return self._M

    def coriolis(self, q: Vector, dq: Vector) -> Vector:
        """Return the Coriolis and centrifugal torques, (7,) [N m]."""
        self._q[:], self._dq[:] = q, dq
        self._coriolis_call()
        return self._c

    def gravity(self, q: Vector) -> Vector:
        """Return the torques that compensate gravity, (7,) [N m]."""
        self._q[:] = q
        self._gravity_call()
        return self._g
