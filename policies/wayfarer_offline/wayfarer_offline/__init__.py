"""Learning from what is recorded.

Predictors, tasks with their rewards, offline policies and their successes.
"""
