"""The cube's orientation from the colours of its visible faces.

It considers all visible faces together.
"""

from itertools import product

import numpy as np
from wayfarer_core.cube import FACE_NORMALS, FACES

from wayfarer_vision.camera import Array

# hue of each coloured face in any brightness [degree]; white has none
HUES = {"red": 0.0, "yellow": 53.0, "green": 128.0, "cyan": 183.0, "blue": 228.0}
_HUE_WIDTH = 20.0  # degree, spread of a hue
_PALE = 0.25  # saturation, 0 to 1, at the border between white and coloured
# brightness of a white face, as a share of the brightest white in the picture
_WHITE_TOP, _WHITE_SIDE = 0.75, 0.4
_DARK = 40.0  # brightness, 0 to 255; a darker colour is unreliable
_FLOOR = 0.02  # likelihood of any colour on any face: a shadow or the arm may cover it


def _turns() -> Array:
    """Return the 24 orientations of a cube that lies flat, (24, 3, 3)."""
    axes = [np.eye(3)[i] * sign for i, sign in product(range(3), (1, -1))]
    pairs = [(x, z) for x, z in product(axes, axes) if abs(float(x @ z)) < 0.5]
    return np.array([np.column_stack([x, np.cross(z, x), z]) for x, z in pairs])


TURNS = _turns()  # (24, 3, 3) from the cube's own frame to that of its yaw
_NORMALS = np.array(list(FACE_NORMALS.values()), dtype=float)  # (6, 3)
_SEEN_AS = np.einsum("gij,fj->gfi", TURNS, _NORMALS)  # (24, 6, 3) normals of the faces


def whiteness(colours: Array, white: float) -> Array:
    """Return how well the colours (n, 3) RGB of visible faces, the top first, fit the white face, 0
    to 1 (n,).

    `white` is the brightness of something white in the picture. It tells a white top from a grey
    one, which is a part of the arm.
    """
    shown = np.clip(colours, 0.0, 255.0)
    high, low = shown.max(axis=1), shown.min(axis=1)
    pale = np.exp(-np.square((high - low) / np.maximum(high, 1.0) / _PALE))
    least = np.where(np.arange(len(shown)) == 0, _WHITE_TOP, _WHITE_SIDE) * white

    return np.asarray(pale * (high >= least))


def likelihoods(colours: Array, white: float) -> Array:
    """Return how well the colours (n, 3) of visible faces fit each of FACES (n, 6), in any
    brightness; arguments as above.
    """
    shown = np.clip(colours, 0.0, 255.0)
    r, g, b = shown.T
    high = shown.max(axis=1)
    coloured = 1.0 - np.exp(-np.square((high - shown.min(axis=1)) / np.maximum(high, 1.0) / _PALE))
    coloured *= np.minimum(high / _DARK, 1.0)

    # (n,) on the colour circle: red 0, green 120
    hue = np.degrees(np.arctan2(np.sqrt(3.0) * (g - b), 2.0 * r - g - b))
    found = np.empty((len(shown), len(FACES)))

    for k, face in enumerate(FACES):
        if face == "white":
            found[:, k] = whiteness(colours, white)
        else:
            away = (hue - HUES[face] + 180.0) % 360.0 - 180.0
            found[:, k] = coloured * np.exp(-np.square(away / _HUE_WIDTH))

    return found


def orientation(
    colours: Array, normals: Array, areas: Array, white: float
) -> tuple[Array, str, float]:
    """Return the likeliest of the 24 orientations (3, 3), its top face, and the probability of that
    face, 0 to 1.

    Args:
        colours: of the visible faces (n, 3) RGB, the top first.
        normals: of those faces in the frame of the cube's yaw (n, 3).
        areas: of each face [pixels], (n,); a face with a small area counts little.
        white: brightness of something white in the picture, 0 to 255.
    """
    logs = np.log(likelihoods(colours, white) + _FLOOR)  # (n, 6)
    share = np.minimum(areas / max(float(areas.max()), 1e-6), 1.0)  # (n,)

    # (24, n) which face points there
    faces = np.argmax(np.einsum("gfi,ni->gnf", _SEEN_AS, normals), axis=2)
    score = (share * np.take_along_axis(logs, faces.T, axis=1).T).sum(axis=1)  # (24,)
    probability = np.exp(score - score.max())
    best = int(np.argmax(score))
    top = int(faces[best, 0])
    sure = probability[faces[:, 0] == top].sum() / probability.sum()

    return TURNS[best], FACES[top], float(sure)
