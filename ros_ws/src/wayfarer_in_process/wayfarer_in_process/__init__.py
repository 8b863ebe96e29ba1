"""Algorithm 1 with simulator, policy and learner in one process.

The same episodes as over ROS, bit for bit.
"""
