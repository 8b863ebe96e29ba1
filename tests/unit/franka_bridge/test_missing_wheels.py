"""A driver whose library is not installed says what to install."""

import pytest
from fixtures.arm import SETTINGS
from wayfarer_core.errors import DeviceError
from wayfarer_franka_bridge.drivers import franky_driver, panda_py_driver


def test_a_missing_panda_py_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panda_py_driver, "find_spec", lambda _: None)
    with pytest.raises(DeviceError, match=r"pip install panda-python==1\.1\.1"):
        panda_py_driver.PandaPyDriver(SETTINGS)


def test_a_missing_franky_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(franky_driver, "import_module", missing)
    with pytest.raises(DeviceError, match=r"pip install franky-control==2\.0\.0"):
        franky_driver.FrankyDriver(SETTINGS)
