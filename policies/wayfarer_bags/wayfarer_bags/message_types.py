"""ROS message types without ROS.

Writers take them from .msg files, readers from the schemas in a bag.

A schema is untrusted text: it is bounded before it is parsed, and only those of the contract's
topics are parsed.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from wayfarer_core import names
from wayfarer_core.errors import DataError

from wayfarer_bags.files.recorded import Channel, Message, UnreadableError

# bytes of a schema; franka_msgs/FrankaRobotState, with all types in it, has 15,000
_LONGEST = 256 * 1024
_DEEPEST = 24  # nested types
_WIDEST = 10_000  # fields; those of nested types and each element of fixed arrays count

# For each topic of the contract that we read: its type, and its fields besides the header
_STAMPED = ("header",)
_IMAGE = "sensor_msgs/msg/Image", (*_STAMPED, "height", "width", "encoding", "step", "data")
CONTRACT = {
    names.OBSERVATION_IMAGE: _IMAGE,
    names.WRIST_OBSERVATION: _IMAGE,
    names.POLICY_ACTION: (
        "wayfarer_msgs/msg/Action",
        (*_STAMPED, "episode", "step", "action", "last"),
    ),
    names.EXECUTED: (
        "wayfarer_msgs/msg/ExecutedAction",
        (*_STAMPED, "step", "executed", "reasons"),
    ),
    names.CURRENT_POSE: ("geometry_msgs/msg/PoseStamped", (*_STAMPED, "pose")),
    names.JOINT_STATES: ("sensor_msgs/msg/JointState", (*_STAMPED, "name", "position", "velocity")),
    names.OBJECT_POSE: ("geometry_msgs/msg/PoseStamped", (*_STAMPED, "pose")),
    names.REPLAY_EPISODE: (
        "wayfarer_msgs/msg/Episode",
        (*_STAMPED, "event", "episode", "end", "steps", "final_stamp"),
    ),
}
_HEADER = [
    ("stamp", (Nodetype.NAME, "builtin_interfaces/msg/Time")),
    ("frame_id", (Nodetype.BASE, ("string", 0))),
]
_TIME = [("sec", (Nodetype.BASE, ("int32", 0))), ("nanosec", (Nodetype.BASE, ("uint32", 0)))]


def base_types() -> Typestore:
    """Return a store of ROS 2's own message types.

    We write bags with the distribution jazzy.
    """
    return get_typestore(Stores.ROS2_JAZZY)


def types_of_packages(share: Iterable[Path]) -> Typestore:
    """Return ROS 2's own types and those of interface packages, by their installed folders
    `.../share/PACKAGE`.

    Raises DataError if a folder holds no .msg file.
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
        raise DataError(
            f"{folder}/msg holds no .msg file: build the interface packages first (make)"
        )

    found: Typesdict = {}
    for file in files:
        found.update(get_types_from_msg(file.read_text(), f"{folder.name}/msg/{file.stem}"))

    return found


def installed_types(package: str) -> Typesdict:
    """Return the types of an interface package that is installed in AMENT_PREFIX_PATH.

    Empty if it is not.
    """
    for prefix in _prefixes().split(os.pathsep):
        if prefix and (folder := Path(prefix) / "share" / package / "msg").is_dir():
            return _types_in(folder.parent)

    return {}


def _prefixes() -> str:
    """Return where packages are installed; types that a bag does not define come from there."""
    return os.environ.get("AMENT_PREFIX_PATH", "")


def add_schema(store: Typestore, name: str, text: str) -> None:
    """Add the type `name`, with all types in it, to the store, from a schema's text."""
    if name in store.fielddefs:
        return

    fresh = {
        key: value
        for key, value in get_types_from_msg(text, name).items()
        if key not in store.fielddefs
    }
    store.register(fresh)


# --- types of a bag's messages ---


def decoded(message: Message) -> Any:
    """Return a serialised message as an object, read by the schema it was recorded with.

    Raises rosbags' errors for bytes that are not of that type; UnreadableError if its schema
    cannot be used.
    """
    return types_of(message.channel).deserialize_cdr(message.cdr, full_name(message.type))


def types_of(channel: Channel) -> Typestore:
    """Return a store of a channel's type with all types in it. Errors as above."""
    return _store(full_name(channel.type), channel.encoding, channel.definition or b"", _prefixes())


def full_name(kind: str) -> str:
    """Return a type's name as rosbag2 writes it; some tools omit the "msg"."""
    return kind.replace("/", "/msg/") if kind.count("/") == 1 else kind


def misfit(channel: Channel) -> str:
    """Say how a channel of a contract topic differs from the contract.

    "" if it does not.

    Errors as above.
    """
    return _misfit(channel, _prefixes())


@lru_cache(maxsize=64)
def _misfit(channel: Channel, _where: str) -> str:
    expected, fields = CONTRACT[channel.name]
    if (full_name(channel.type), channel.message_encoding) != (expected, "cdr"):
        found = f"{channel.type or 'of no type'} in {channel.message_encoding or 'no encoding'}"
        return f"{channel.topic} is {found}, the contract's {channel.name} is {expected} in cdr"

    return unlike(channel, fields)


def unlike(channel: Channel, fields: Iterable[str]) -> str:
    """Say which of these fields a channel's type lacks, "" if none.

    A header must be ROS 2's own.

    Errors as in `types_of`.
    """
    kind, types = full_name(channel.type), types_of(channel)
    present = dict(types.fielddefs[kind][1])
    if missing := [field for field in fields if field not in present]:
        return f"{channel.topic}: its {kind} has no {', '.join(missing)}"
    if "header" in fields and (
        next(iter(present.items())) != ("header", (Nodetype.NAME, "std_msgs/msg/Header"))
        or types.fielddefs["std_msgs/msg/Header"][1] != _HEADER
        or types.fielddefs["builtin_interfaces/msg/Time"][1] != _TIME
    ):
        return f"{channel.topic}: its {kind} does not begin with a std_msgs/Header as ROS 2 has it"

    return ""


@lru_cache(maxsize=64)
def _store(kind: str, encoding: str, definition: bytes, _where: str) -> Typestore:
    found = _parsed(kind, encoding, definition)
    needed: Typesdict = {}
    _gather(kind, found, needed, ())
    store = get_typestore(Stores.EMPTY)
    store.register(needed)

    return store


def _parsed(kind: str, encoding: str, definition: bytes) -> Typesdict:
    """Return the types that a schema defines.

    Empty if it defines none: rosbag2 writes such a schema if it found no .msg.
    """
    if len(definition) > _LONGEST:
        raise UnreadableError(
            f"has a schema of {kind} with {len(definition)} bytes: at most {_LONGEST} are read"
        )

    text = definition.decode().replace("\r\n", "\n")
    if not text.strip():
        return {}
    if encoding != "ros2msg":
        raise UnreadableError(f"has a schema of {kind} in {encoding!r}: only ros2msg can be read")

    return get_types_from_msg(text, kind)


def _gather(kind: str, found: Typesdict, needed: Typesdict, around: tuple[str, ...]) -> int:
    """Add a type with all types in it to `needed`; return their number of fields.

    Errors as in `types_of`.
    """
    outermost = (*around, kind)[0]
    if kind in around:
        raise UnreadableError(f"has a schema of {outermost} without an end: {kind} contains itself")
    if len(around) > _DEEPEST:
        raise UnreadableError(
            f"has a schema of {outermost} with more than {_DEEPEST} types inside one another"
        )

    needed[kind] = definition = _definition(kind, found)
    fields = 0
    for _, about in definition[1]:
        inner, length = about[1] if about[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE) else (about, 1)
        size = _gather(inner[1], found, needed, (*around, kind)) if inner[0] == Nodetype.NAME else 1
        one_by_one = about[0] == Nodetype.ARRAY and (
            inner[0] == Nodetype.NAME or inner[1][0] == "string"
        )
        fields += size * abs(length) if one_by_one else size
        if fields > _WIDEST:
            raise UnreadableError(f"has a schema of {outermost} with more than {_WIDEST} fields")

    return max(fields, 1)


def _definition(kind: str, found: Typesdict) -> Any:
    """Return a type's definition: from the bag, from ROS 2, or from an installed package.

    UnreadableError if there is none.
    """
    for types in (found, base_types().fielddefs):
        if kind in types:
            return types[kind]

    installed = installed_types(kind.split("/")[0])
    if kind not in installed:
        raise UnreadableError(f"carries no definition of {kind}, and no installed package has it")

    return installed[kind]
