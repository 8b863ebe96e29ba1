"""What a wrong command line is answered."""

import sys
from pathlib import Path

import pytest
from panda_sim.errors import PandaSimError
from panda_sim.main import main
from panda_sim.servers.console import Console
from panda_sim.simulation import HOME
from panda_sim.world.scene import TABLE, compose


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--host", "robot"], "--host robot"),
        (["--home", *["4.0"] * 7], "joint 1 at 4.0 rad is outside -2.8973..2.8973"),
        (["--home", *["nan"] * 7], "joint 1 at nan rad"),
        (["--fingers", "0.5"], "outside 0..0.08"),
        (["--fingers", "nan"], "outside 0..0.08"),
        (["--scene", "/nowhere.xml"], "no such file"),
        (["--console", "1339"], "an address looks like 127.0.0.1:1339"),
        (["--console", "192.168.0.1:1339"], "only a loopback address"),
        (["--tell", "127.0.0.1:1", "state"], "refused"),
    ],
)
def test_a_wrong_option_ends_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, words: list[str], answer: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["panda-sim", "--host", "127.0.0.63", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert answer in str(ended.value)


def test_a_scene_that_is_none_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "scene.xml"
    bad.write_text("<mujoco><worldbody><geom/></mujoco>")
    with pytest.raises(PandaSimError, match=r"scene\.xml"):
        compose(bad, HOME)


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panda_sim.world.scene.MODEL", "no-such-wheel")
    with pytest.raises(PandaSimError, match="pip install --no-deps no-such-wheel"):
        compose(TABLE, HOME)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "localhost"])
def test_the_console_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(PandaSimError, match="console at"):
        Console((host, 1339), {})
