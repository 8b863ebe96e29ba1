"""Algorithm 1: choice of goals, learning from stored episodes, and methods as choices of parts."""
