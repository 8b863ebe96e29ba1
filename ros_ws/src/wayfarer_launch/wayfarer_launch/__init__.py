"""From a launch file to running nodes.

The part of ROS 2's launch that ours need, and what a collection tells it.
"""
