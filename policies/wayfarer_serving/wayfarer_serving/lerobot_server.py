"""Serves a policy of LeRobot; run it by the Python of an environment with lerobot installed.

python -m wayfarer_serving.lerobot_server outputs/train/checkpoints/last/pretrained_model --address
127.0.0.1:5555

LeRobot's own `from_pretrained` reads safetensors weights from a folder; nothing is loaded from
the network.
"""

import argparse
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfarer_serving.server import ACTION, GRIPPER_ACTION, Episode, Observation, serve

_WEIGHTS, _CONFIG, _STATE = "model.safetensors", "config.json", "observation.state"
_WITHOUT_GRIPPER: dict[int, tuple[str, ...]] = {
    3: ("ee_position",),
    7: ("ee_position", "ee_orientation"),
    17: ("ee_position", "joint_positions", "joint_velocities"),
    21: ("ee_position", "ee_orientation", "joint_positions", "joint_velocities"),
}
# What `wayfarer export lerobot` writes as a state, by how many numbers it has.
_STATES: dict[int, tuple[str, ...]] = {
    0: (),
    **_WITHOUT_GRIPPER,
    **{size + 1: (*names, "gripper_width") for size, names in _WITHOUT_GRIPPER.items()},
}
_TASK = "task"  # key of the text for policies with a language input


class LeRobotPolicy:
    """Answers as LeRobot's own loop does.

    Each observation gets one action from the policy's `select_action`.
    """

    version = 0

    def __init__(self, folder: Path, device: str, task: str) -> None:
        """Read the policy.

        Raises ValueError, in words for the user, if the folder holds no policy that fits.
        """
        for name in (_WEIGHTS, _CONFIG):
            if not (folder / name).is_file():
                raise ValueError(f"{folder} is no pretrained_model of LeRobot: it holds no {name}")

        # must be set before lerobot is imported
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        from lerobot.configs.policies import PreTrainedConfig
        from lerobot.policies.factory import get_policy_class, make_pre_post_processors

        config = PreTrainedConfig.from_pretrained(folder)
        config.device = device
        self._image, self._state, self._action = _inputs(config)
        self._device, self._task = device, task
        self._policy = get_policy_class(config.type).from_pretrained(folder, config=config)
        there = {"device_processor": {"device": device}}
        self._before, self._after = make_pre_post_processors(
            config, str(folder), preprocessor_overrides=there
        )
        self.name = f"lerobot {config.type} {digest(folder)[:16]}"
        _, *size = config.input_features[self._image].shape

        # a process's first inference is slow: do it now, not during an episode
        self.begin(Episode(0, 0, None, None, self._action))
        still, none = (0.0, 0.0, 0.0, 1.0), (0.0,) * 7
        image = np.zeros((*size, 3), np.uint8)
        self.act(Observation(0, image, none[:3], still, none, none, none[:1]))

    def begin(self, episode: Episode) -> None:
        """Forget the last episode; set its seed."""
        import torch

        if episode.goal is not None:
            raise ValueError(f"{self.name} takes no goal")
        if episode.steps and episode.action != self._action:
            raise ValueError(
                f"{self.name} gives actions of {self._action} numbers, the run's have "
                f"{episode.action}: gripper_width must be as in the runs it was trained on"
            )

        torch.manual_seed(episode.seed)
        for part in (self._policy, self._before, self._after):
            part.reset()

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """Return one action (1, A), clipped to [-1, 1]."""
        import torch

        # (3, H, W)
        image = torch.from_numpy(observation.image.copy()).permute(2, 0, 1).float() / 255.0
        batch: dict[str, Any] = {self._image: image[None], _TASK: [self._task]}

        if self._state:
            batch[_STATE] = torch.tensor([self._felt(observation)])  # (1, N)

        with torch.inference_mode():
            action = self._after(self._policy.select_action(self._before(batch)))

        found: NDArray[np.float64] = action.cpu().numpy().astype(np.float64)

        return np.clip(found, -1.0, 1.0)

    def _felt(self, observation: Observation) -> list[float]:
        """Return the state in the export's order.

        Raises ValueError if the robot does not report all of it.
        """
        felt: list[float] = []
        for name in _STATES[self._state]:
            values = getattr(observation, name)
            if values is None:
                raise ValueError(
                    f"{self.name} takes {name.replace('_', ' ')}: the robot does not tell them"
                )

            felt.extend(values)

        return felt


def digest(folder: Path) -> str:
    """Return the SHA-256 of a policy's weights, configuration and processors."""
    found = sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        if file.name != "train_config.json":  # describes the training, not the policy
            found.update(file.name.encode() + b"\0" + file.read_bytes())

    return found.hexdigest()


def _inputs(config: Any) -> tuple[str, int, int]:
    """Return the image's name, and how many numbers of state the policy takes and of action it
    gives.

    Raises ValueError where it takes or gives anything else.
    """
    inputs = {name: tuple(feature.shape) for name, feature in (config.input_features or {}).items()}
    images = [*(config.image_features or {})]
    others = inputs.keys() - {*images, _STATE}
    state = inputs.get(_STATE, (0,))

    if len(images) != 1 or others or len(state) != 1 or state[0] not in _STATES:
        sizes = ", ".join(
            f"{size}: {' and '.join(names)}" for size, names in _STATES.items() if size
        )
        raise ValueError(f"the policy takes {inputs}: it is given one image and {_STATE} ({sizes})")

    acts = {name: tuple(feature.shape) for name, feature in (config.output_features or {}).items()}
    action = acts.get("action")
    if action not in ((ACTION,), (GRIPPER_ACTION,)):
        raise ValueError(
            f"the policy gives {acts}: it must give an action (3,), or with a gripper (4,)"
        )

    return images[0], state[0], action[0]


def main() -> None:
    """Load the policy, print the address, and answer until a signal comes."""
    parser = argparse.ArgumentParser(description="Serve a policy of LeRobot to Wayfarer's actor.")
    parser.add_argument("folder", type=Path, help="a pretrained_model folder of lerobot-train")
    parser.add_argument(
        "--address", default="127.0.0.1:5555", help="HOST:PORT on this machine; port 0: a free one"
    )
    parser.add_argument("--device", default="cpu", help="where to compute: cpu, cuda")
    parser.add_argument(
        "--task", default="", help="for a policy with a language input: what it is told to do"
    )
    parser.add_argument(
        "--end-with-input", action="store_true", help="end when standard input is closed"
    )
    given = parser.parse_args()

    try:
        policy = LeRobotPolicy(given.folder, given.device, given.task)
        serve(policy, given.address, end_with_input=given.end_with_input)
    except (ValueError, OSError, ImportError) as error:
        print(f"lerobot_server: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
