"""Algorithm 1: where to set out for, what to learn from the past, and the methods as choices of parts."""
