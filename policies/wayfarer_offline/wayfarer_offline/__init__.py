"""Learning from recorded runs: predictors, tasks with rewards, BCQ policies, success rates."""
