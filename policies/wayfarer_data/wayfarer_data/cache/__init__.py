"""The frame cache and what is drawn from it: the replay buffer of a run, and datasets of several."""
