"""The arm's world: composed, stepped and drawn."""
