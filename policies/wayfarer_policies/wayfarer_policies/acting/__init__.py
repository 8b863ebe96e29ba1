"""What acts: policies that answer an observation with an action."""
