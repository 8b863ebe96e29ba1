"""Algorithm 1 with simulator, policy and learner in one process.

It gives the same episodes as over ROS, bit for bit.
"""
