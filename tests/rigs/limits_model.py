"""The FR3 that franka-sim simulates, written from franky-sim's bundled model: its own would have to be downloaded.

Only what its physics needs: links, joints and inertias, without pictures and the hand, and with the joint servos
left out, which franka-sim brings itself.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

_UNUSED = ("actuator", "tendon", "equality", "contact", "asset", "keyframe")
_HAND = "hand"


def write_model(source: Path, target: Path) -> None:
    """Write the MJCF that franka-sim takes by FR3_MJCF, from franky-sim's fr3.xml."""
    root = ET.parse(source).getroot()
    for name in _UNUSED:
        for element in root.findall(name):
            root.remove(element)
    for parent in list(root.iter()):
        for child in list(parent):
            mesh = child.tag == "geom" and (child.get("mesh") or parent.tag != "default")
            if mesh or (child.tag == "body" and child.get("name", "").startswith(_HAND)):
                parent.remove(child)
    root.find("worldbody").insert(0, ET.Element("light", pos="0 0 3"))  # type: ignore[union-attr]
    target.write_text(ET.tostring(root, encoding="unicode"))
