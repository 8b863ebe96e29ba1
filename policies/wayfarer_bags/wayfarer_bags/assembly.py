"""Put an episode's steps together from its messages, by their content and stamps."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_core import names
from wayfarer_core.errors import DataError
from wayfarer_core.fault import FaultKind

from wayfarer_bags.episode import ActionSource, End, Episode, EpisodeInfo
from wayfarer_bags.files.recorded import Message, UnreadableError, contract_name, header_stamp
from wayfarer_bags.joints import ARM_JOINTS, arm_joints, gripper_width
from wayfarer_bags.latest_pose import latest_pose
from wayfarer_bags.message_types import CONTRACT, decoded, misfit

_NANOSECONDS = 1_000_000_000
# bound on steps: 20 for each recorded action, or 2,000
_MOST_LOST, _ALWAYS = 20, 2_000
# allowed deviation of a quaternion's length from 1 before it is normalised
_UNIT, _EXACT = 0.01, 1e-6
_ROOM = 256 << 20  # bytes that an episode's images may always take, whatever was recorded


@dataclass
class Parts:
    """The messages of one episode, sorted by kind, and by step or stamp."""

    records: list[Any] = field(default_factory=list)
    images: dict[int, Message] = field(default_factory=dict)  # stamp -> message as recorded
    actions: dict[int, Any] = field(default_factory=dict)  # step -> decoded message
    # (step, stamp) -> decoded message
    executed: dict[tuple[int, int], Any] = field(default_factory=dict)
    poses: dict[int, Message] = field(default_factory=dict)  # stamp -> message as recorded
    objects: dict[int, Message] = field(default_factory=dict)  # stamp -> message as recorded
    joints: dict[int, Message] = field(default_factory=dict)  # stamp -> message as recorded
    wrist: dict[int, Message] = field(default_factory=dict)  # stamp -> message as recorded
    # stamp of an image -> time of its recording [ns]
    observed_at: dict[int, int] = field(default_factory=dict)
    answered_at: dict[int, int] = field(default_factory=dict)  # step -> the same for its action

    @classmethod
    def of(cls, messages: Iterable[Message]) -> Self:
        """Sort the messages of one episode, in the order they were written. Errors as in `add`."""
        parts = cls()
        for message in messages:
            parts.add(message)
        return parts

    def add(self, message: Message) -> None:
        """Add one message.

        Raises UnreadableError if its type is not the contract's, and the errors of `decoded`.
        """
        name = contract_name(message.topic)
        if name not in CONTRACT:
            return
        if wrong := misfit(message.channel):
            raise UnreadableError(f"cannot be read: {wrong}")

        if name == names.OBSERVATION_IMAGE:
            stamp = header_stamp(message.cdr)
            self.images[stamp], self.observed_at[stamp] = message, message.publish_time
        elif name == names.WRIST_OBSERVATION:
            self.wrist[header_stamp(message.cdr)] = message
        elif name == names.CURRENT_POSE:
            self.poses[header_stamp(message.cdr)] = message
        elif name == names.OBJECT_POSE:
            self.objects[header_stamp(message.cdr)] = message
        elif name == names.JOINT_STATES:
            self.joints[header_stamp(message.cdr)] = message
        elif name == names.REPLAY_EPISODE:
            self.records.append(decoded(message))
        elif name == names.POLICY_ACTION:
            action = decoded(message)
            self.actions[action.step] = action
            self.answered_at[action.step] = message.publish_time
        else:
            executed = decoded(message)
            # an executed record between two episodes names an older step
            key = executed.step, nanoseconds(executed.header.stamp)
            self.executed.setdefault(key, executed)  # a later hold repeats the step it interrupts


def put_together(parts: Parts, path: Path, with_images: bool = True) -> Episode:
    """Make an episode from its messages.

    Raises DataError if no record says which episode it is.
    """
    info, final_stamp = read_records(parts, path)
    return assemble(parts, info, final_stamp, path, with_images)


def assemble(
    parts: Parts, info: EpisodeInfo, final_stamp: int, path: Path, with_images: bool = True
) -> Episode:
    """Join the steps of an episode by their stamps.

    `final_stamp` is the stamp of the last observation, 0 if unknown.

    Raises DataError, naming `path`, for images that are not RGB or not of one size, and for more
    steps than `_steps` allows.
    """
    steps = _steps(parts, info, path)
    stamps = _stamps(parts, steps, final_stamp)
    actions = _actions(parts, stamps, _action_size(parts, path))

    pixels, empty = observed(parts.images, stamps, path)
    wrist, dark = observed(parts.wrist, newest(parts.wrist, stamps), path)
    seen = _places(pixels, steps)
    wrist_seen = _places(wrist, steps) if parts.wrist else None
    hand, turned = _poses(parts.poses, stamps)
    objects, spun = _poses(parts.objects, stamps) if parts.objects else (None, [])
    joints, widths = _joints(parts.joints, stamps)
    complete = seen & np.isfinite(hand[:, :3]).all(axis=1)  # (T + 1,)
    if wrist_seen is not None:
        complete &= wrist_seen

    return Episode(
        info=info,
        stamps=stamps,
        images=_stacked(pixels, steps, path)
        if with_images
        else np.zeros((steps + 1, 0, 0, 3), np.uint8),
        requested=actions.requested,
        actions=actions.executed,
        reasons=actions.reasons,
        sources=actions.sources,
        seen=seen,
        valid=complete[:-1] & complete[1:] & np.isfinite(actions.executed).all(axis=1),
        ee_positions=hand[:, :3].copy(),
        object_poses=objects,
        observed_at=np.array(
            [parts.observed_at.get(s, 0) for s in stamps.tolist()], dtype=np.int64
        ),
        answered_at=np.array([parts.answered_at.get(k, 0) for k in range(steps)], dtype=np.int64),
        oddities={
            "an image without pixels, or with fewer than it says": sorted({*empty, *dark}),
            "an end effector's quaternion that is no rotation": turned,
            "an object's quaternion that is no rotation": spun,
        },
        ee_orientations=hand[:, 3:].copy(),
        joint_positions=joints[:, 0],
        joint_velocities=joints[:, 1],
        wrist_images=_stacked(wrist, steps, path) if parts.wrist and with_images else None,
        wrist_seen=wrist_seen,
        gripper_widths=widths,
    )


@dataclass(frozen=True, eq=False)
class _Actions:
    requested: NDArray[np.float32]  # (T, A) by the policy; NaN where unknown
    executed: NDArray[np.float32]  # (T, A) by the gate; NaN where nothing was
    reasons: NDArray[np.uint16]  # (T,) the gate's
    sources: NDArray[np.uint8]  # (T,) who chose it


def _actions(parts: Parts, stamps: NDArray[np.int64], size: int) -> _Actions:
    """Join each action of `size` numbers with the record of its execution."""
    steps = len(stamps) - 1
    found = _Actions(
        requested=np.full((steps, size), np.nan, dtype=np.float32),
        executed=np.full((steps, size), np.nan, dtype=np.float32),
        reasons=np.zeros(steps, dtype=np.uint16),
        sources=np.full(steps, ActionSource.POLICY, dtype=np.uint8),
    )

    for k, action in parts.actions.items():
        found.requested[k] = action.action

        # the first bags do not have this field
        if getattr(action, "source", None) == ActionSource.HUMAN:
            found.sources[k] = ActionSource.HUMAN

        record = parts.executed.get((k, int(stamps[k])))
        if record is not None and len(record.executed) == size:
            found.executed[k], found.reasons[k] = record.executed, record.reasons

    return found


def _action_size(parts: Parts, path: Path) -> int:
    """Return how many numbers each action has: 3, or 4 with a gripper. DataError for any other."""
    sizes = {len(action.action) for action in parts.actions.values()} or {3}
    if len(sizes) > 1 or not sizes <= {3, 4}:
        raise DataError(
            f"{path} holds actions of {', '.join(map(str, sorted(sizes)))} numbers: 3 are right, "
            "or 4 with a gripper, and all of an episode the same"
        )

    return sizes.pop()


def _steps(parts: Parts, info: EpisodeInfo, path: Path) -> int:
    """Return how many steps the episode had.

    DataError if that is more than the recorded actions allow.
    """
    steps = max([info.steps, *(k + 1 for k in parts.actions)])
    if steps > max(_ALWAYS, _MOST_LOST * len(parts.actions)):
        raise DataError(
            f"{path} says that episode {info.number} has {steps} steps, and holds "
            f"{len(parts.actions)} actions"
        )

    return steps


def _stamps(parts: Parts, steps: int, final_stamp: int) -> NDArray[np.int64]:
    """Return the time of each observation [ns], (T + 1,); 0 where unknown."""
    stamps = np.zeros(steps + 1, dtype=np.int64)
    for k, action in parts.actions.items():
        stamps[k] = nanoseconds(action.header.stamp)

    stamps[steps] = final_stamp

    return stamps


def read_records(parts: Parts, path: Path) -> tuple[EpisodeInfo, int]:
    """Merge the begin and end records.

    Also return the stamp of the final observation, 0 if unknown.
    """
    if not parts.records:
        raise DataError(
            f"{path} holds no episode record: not written by wayfarer_replay, or torn in its "
            "first chunk"
        )

    last = parts.records[-1]
    if last.event == last.END:
        return info_of(last), nanoseconds(last.final_stamp)

    killed = replace(
        info_of(last),
        end=End.UNFINISHED,
        reason="the recorder was killed",
        steps=len(parts.actions),
    )

    return killed, 0


def info_of(record: Any) -> EpisodeInfo:
    """Return the content of a wayfarer_msgs/Episode."""
    return EpisodeInfo(
        number=int(record.episode),
        method=record.method,
        seed=int(record.seed),
        max_steps=int(record.max_steps),
        goal=record.goal,
        goal_novelty=float(record.goal_novelty),
        end=End(record.end),
        reason=record.reason,
        steps=int(record.steps),
        lost_steps=int(record.lost_steps),
        fault=FaultKind(getattr(record, "fault", 0)),  # the first bags do not have this field
    )


# --- images ---


def newest(recorded: Collection[int], stamps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last recorded stamp within a period before each stamp, (T + 1,).

    0 where there is none.
    """
    times = np.array(sorted(recorded), dtype=np.int64)
    return np.array(
        [times[index] if index >= 0 else 0 for index in latest_pose(times, stamps).tolist()],
        dtype=np.int64,
    )


def observed(
    recorded: Mapping[int, Message], stamps: NDArray[np.int64], path: Path
) -> tuple[dict[int, NDArray[np.uint8]], list[int]]:
    """Return step -> pixels (H, W, 3), and the steps whose image is empty or cut off.

    DataError as above.
    """
    found: dict[int, NDArray[np.uint8]] = {}
    empty: list[int] = []
    for k, stamp in enumerate(stamps.tolist()):
        if stamp not in recorded:
            continue

        image = decoded(recorded[stamp])
        height, width, step = image.height, image.width, image.step
        if (
            not height
            or not width
            or step < 3 * width
            or len(image.data) < (height - 1) * step + 3 * width
        ):
            empty.append(k)  # some drivers send these; they count as lost images
            continue

        if image.encoding != "rgb8":
            raise DataError(
                f"{path}: the image of step {k} is {image.encoding!r}, an observation is 'rgb8'"
            )

        # rows may be padded; the last row need not be
        found[k] = np.lib.stride_tricks.as_strided(
            image.data, (height, width, 3), (step, 3, 1), writeable=False
        )
        shape = next(iter(found.values())).shape
        if found[k].shape != shape:
            raise DataError(
                f"{path}: the image of step {k} has shape {found[k].shape}, an earlier one {shape}"
            )

    return found, empty


def _places(pixels: Collection[int], steps: int) -> NDArray[np.bool_]:
    """Say for each observation whether it is among these, (T + 1,)."""
    return np.isin(np.arange(steps + 1), list(pixels))


def _stacked(pixels: Mapping[int, NDArray[np.uint8]], steps: int, path: Path) -> NDArray[np.uint8]:
    """Return the images of all steps (T + 1, H, W, 3); zeros where an image is missing."""
    shape = next((image.shape for image in pixels.values()), (0, 0, 3))
    if (steps + 1) * math.prod(shape) > max(_ROOM, _MOST_LOST * len(pixels) * math.prod(shape)):
        raise DataError(
            f"{path} holds {len(pixels)} images {shape}, and says that there were {steps + 1}"
        )

    images = np.zeros((steps + 1, *shape), dtype=np.uint8)
    for k, image in pixels.items():
        images[k] = image

    return images


# --- poses ---


def _poses(
    recorded: Mapping[int, Message], stamps: NDArray[np.int64]
) -> tuple[NDArray[np.float64], list[int]]:
    """Return the last pose within a period before each stamp, (T + 1, 7).

    NaN if there is none.

    A quaternion that is no rotation becomes NaN; the second value returned lists the steps of such
    quaternions.
    """
    poses = np.full((len(stamps), 7), np.nan)
    times = np.array(sorted(recorded), dtype=np.int64)
    for k, index in enumerate(latest_pose(times, stamps).tolist()):
        if index >= 0:
            pose = decoded(recorded[int(times[index])]).pose
            p, q = pose.position, pose.orientation
            poses[k] = p.x, p.y, p.z, q.x, q.y, q.z, q.w

    there = np.isfinite(poses[:, :3]).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.linalg.norm(poses[:, 3:], axis=1, keepdims=True)  # (T + 1, 1)
        rotation = np.abs(length - 1.0) <= _UNIT
        unit = np.where(np.abs(length - 1.0) > _EXACT, poses[:, 3:] / length, poses[:, 3:])
        poses[:, 3:] = np.where(rotation, unit, np.nan)

    return poses, np.flatnonzero(there & ~rotation[:, 0]).tolist()


def _joints(
    recorded: Mapping[int, Message], stamps: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return position and velocity of the arm's joints, the last within a period before each stamp,
    (T + 1, 2, 7), and the gripper's width (T + 1, 1) [m].

    NaN if there is none. The messages may also have a gripper's joints, and the arm's in any
    order.
    """
    found = np.full((len(stamps), 2, ARM_JOINTS), np.nan)
    widths = np.full((len(stamps), 1), np.nan)
    times = np.array(sorted(recorded), dtype=np.int64)
    for k, index in enumerate(latest_pose(times, stamps).tolist()):
        if index >= 0:
            said = decoded(recorded[int(times[index])])
            called = tuple(said.name)
            places = arm_joints(called)
            if len(said.position) == len(called):
                widths[k] = gripper_width(called, said.position)

            for part, values in enumerate((said.position, said.velocity)):
                if places and len(values) == len(said.name):
                    found[k, part] = np.asarray(values)[list(places)]

    return found, widths


def nanoseconds(stamp: Any) -> int:
    """Return a stamp message in nanoseconds."""
    return int(stamp.sec) * _NANOSECONDS + int(stamp.nanosec)
