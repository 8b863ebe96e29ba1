"""ROS message types without ROS: for writing from .msg files, for reading from the schemas a bag carries."""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from wayfarer_common.errors import DataError


def base_types() -> Typestore:
    """Return a store of ROS 2's own message types; the bags we write name their distribution as kilted."""
    return get_typestore(Stores.ROS2_KILTED)


def types_of_packages(share: Iterable[Path]) -> Typestore:
    """Return ROS 2's own types and those of interface packages, by their installed folders `.../share/PACKAGE`.

    Raises DataError where a folder holds no .msg file.
    """
    store = base_types()
    found: Typesdict = {}
    for folder in share:
        found.update(_types_in(folder))
    store.register(found)
    return store


def _types_in(folder: Path) -> Typesdict:
    files = sorted((folder / "msg").glob("*.msg"))
    if not files:
        raise DataError(f"{folder}/msg holds no .msg file: build the interface packages first (make)")
    found: Typesdict = {}
    for file in files:
        found.update(get_types_from_msg(file.read_text(), f"{folder.name}/msg/{file.stem}"))
    return found


def installed_types(package: str) -> Typesdict:
    """Return the types of an interface package installed below AMENT_PREFIX_PATH; none where it is not."""
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix and (folder := Path(prefix) / "share" / package / "msg").is_dir():
            return _types_in(folder.parent)
    return {}


@lru_cache(maxsize=16)
def types_of_schemas(schemas: frozenset[tuple[str, str]]) -> Typestore:
    """Return a store that knows the types of a bag's schemas (name, text); files that say the same share one.

    rosbags generates classes for a store's types, which stay in memory until Python next looks for cycles.
    """
    store = base_types()
    for name, text in sorted(schemas):
        add_schema(store, name, text)
    return store


def add_schema(store: Typestore, name: str, text: str) -> None:
    """Teach the store the type `name` and all it contains, from the text of a bag's schema."""
    if name in store.fielddefs:
        return
    fresh = {key: value for key, value in get_types_from_msg(text, name).items() if key not in store.fielddefs}
    store.register(fresh)
