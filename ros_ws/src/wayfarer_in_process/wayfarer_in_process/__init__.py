"""Algorithm 1 with simulator, policy and learner in one process: the same episodes as over ROS, bit for bit."""
