"""The model library against MuJoCo's own dynamics of the very arm that is simulated."""

import ctypes

import mujoco
import numpy as np
import pytest
from panda_sim.arm.limits import DQ_MAX, Q_MAX, Q_MIN
from panda_sim.arm.model_library import Model, Payload, build, fits
from panda_sim.errors import PandaSimError
from panda_sim.simulation import HOME
from panda_sim.world.scene import F_T_NE, HAND_PAYLOAD, TABLE, compose
from panda_sim.world.world import World

STATES = 1000
EXACT = 1e-9
LOAD = Payload(1.3, np.array([0.02, -0.03, 0.11]), np.diag([0.011, 0.012, 0.013]))


@pytest.fixture(scope="module")
def arm() -> tuple[mujoco.MjModel, mujoco.MjData, Payload]:
    """The simulated arm with one rigid body as its hand, and that body as MuJoCo compiled it."""
    spec = compose(TABLE, HOME)
    spec.delete(spec.body("hand_panda_hand"))
    spec.delete(spec.body("cube"))

    for equality in list(spec.equalities):
        spec.delete(equality)

    for tendon in list(spec.tendons):
        spec.delete(tendon)

    whole, flange = HAND_PAYLOAD.joined(LOAD), spec.body("panda_link8")
    hung = flange.add_body(name="hung", mass=whole.mass, ipos=whole.centre)
    hung.explicitinertial = True
    hung.fullinertia = whole.inertia[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    rotation = np.zeros(4)
    mujoco.mju_mat2Quat(rotation, F_T_NE[:3, :3].ravel())
    flange.add_site(name="ee", pos=F_T_NE[:3, 3], quat=rotation)
    compiled = spec.compile()
    body = compiled.body("hung")
    axes = np.zeros(9)
    mujoco.mju_quat2Mat(axes, body.iquat)
    R = axes.reshape(3, 3)
    payload = Payload(float(body.mass[0]), body.ipos.copy(), R @ np.diag(body.inertia) @ R.T)
    np.testing.assert_allclose(payload.inertia, whole.inertia, atol=1e-8)

    return compiled, mujoco.MjData(compiled), payload


def states(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(5)
    return [(rng.uniform(Q_MIN, Q_MAX), rng.uniform(-DQ_MAX, DQ_MAX)) for _ in range(count)]


def test_it_is_what_mujoco_computes_in_a_thousand_states(model: Model, arm: tuple) -> None:
    compiled, data, payload = arm
    model.carry(payload)
    worst = dict.fromkeys(("pose", "jacobian", "mass", "coriolis", "gravity"), 0.0)
    M, J = np.zeros((7, 7)), np.zeros((6, 7))

    for q, dq in states(STATES):
        data.qpos[:], data.qvel[:] = q, 0.0
        mujoco.mj_forward(compiled, data)
        gravity = data.qfrc_bias.copy()
        data.qvel[:] = dq
        mujoco.mj_forward(compiled, data)
        mujoco.mj_fullM(compiled, M, data.qM)
        mujoco.mj_jacSite(compiled, data, J[:3], J[3:], compiled.site("ee").id)
        T = model.pose(q, F_T_NE)
        found = {
            "pose": np.abs(
                T[:3] - np.column_stack([data.site("ee").xmat.reshape(3, 3), data.site("ee").xpos])
            ),
            "jacobian": np.abs(model.jacobian(q, F_T_NE) - J),
            "mass": np.abs(model.mass_matrix(q) - M),
            "coriolis": np.abs(model.coriolis(q, dq) - (data.qfrc_bias - gravity)),
            "gravity": np.abs(model.gravity(q) - gravity),
        }
        worst = {name: max(value, float(found[name].max())) for name, value in worst.items()}

    print(worst)
    assert max(worst.values()) < EXACT, worst


@pytest.fixture(scope="module")
def opened(library: bytes, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The library as libfranka opens it."""
    path = tmp_path_factory.mktemp("library") / "model.so"
    path.write_bytes(library)
    return ctypes.CDLL(str(path))


def test_it_has_all_thirty_functions_that_libfranka_looks_up(opened: ctypes.CDLL) -> None:
    names = [f"{kind}_J{i}" for kind in ("O_T", "O_J", "Ji_J") for i in range(1, 10)]
    assert len([getattr(opened, name) for name in (*names, "M_NE", "c_NE", "g_NE")]) == 30


def call(opened: ctypes.CDLL, name: str, size: int, *inputs: np.ndarray) -> np.ndarray:
    out = np.zeros(size)
    getattr(opened, name)(*(ctypes.c_void_p(a.ctypes.data) for a in (*inputs, out)))
    return out


def frame_pose(opened: ctypes.CDLL, frame: int, q: np.ndarray) -> np.ndarray:
    given = (q, np.asfortranarray(F_T_NE)) if frame == 9 else (q,)
    return call(opened, f"O_T_J{frame}", 16, *given).reshape(4, 4).T


@pytest.mark.parametrize("frame", range(1, 10))
def test_jacobians_turn_about_the_joints_axes_and_have_two_sets_of_axes(
    opened: ctypes.CDLL, frame: int
) -> None:
    q = states(1)[0][0]
    given = {1: (), 9: (q, np.asfortranarray(F_T_NE))}.get(frame, (q,))
    zero = call(opened, f"O_J_J{frame}", 42, *given).reshape(7, 6).T
    body = call(opened, f"Ji_J_J{frame}", 42, *given).reshape(7, 6).T
    joints = min(frame, 7)
    axes = np.array([frame_pose(opened, i, q)[:3, 2] for i in range(1, joints + 1)]).T
    np.testing.assert_allclose(zero[3:, :joints], axes, atol=1e-12)
    assert not zero[:, joints:].any()
    R = frame_pose(opened, frame, q)[:3, :3]
    np.testing.assert_allclose(np.vstack([R.T @ zero[:3], R.T @ zero[3:]]), body, atol=1e-12)


def test_the_simulated_hand_weighs_what_a_panda_reports(world: World, model: Model) -> None:
    model.carry(HAND_PAYLOAD)
    for q, _ in states(5):
        world.place(q)
        np.testing.assert_allclose(world.data.qfrc_bias[:7], model.gravity(q), atol=1e-9)


def test_a_library_goes_only_where_it_runs() -> None:
    assert [fits(a, s) for a in range(5) for s in range(3)].count(True) == 1


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PandaSimError, match="no C compiler"):
        build(world.links)
