"""A simulated Panda: its control box, at the wire, for any client of libfranka 0.9 (FCI server version 5)."""
