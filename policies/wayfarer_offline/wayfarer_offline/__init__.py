"""Learning from what is recorded: predictors, tasks with their rewards, offline policies and their successes."""
