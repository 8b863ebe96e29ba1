"""The world in which the arm stands: composed, moved and drawn."""
