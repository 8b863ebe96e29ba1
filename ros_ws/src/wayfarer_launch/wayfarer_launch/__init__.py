"""From a launch file to running nodes.

It reads the part of ROS 2's launch format that our files use, and the arguments of a collection.
"""
