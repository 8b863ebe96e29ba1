"""A simulated Panda: its control box, for any client of libfranka 0.9 (FCI server version 5)."""
