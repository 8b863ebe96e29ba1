"""The frame cache: the replay buffer of a run, and datasets of several runs."""
