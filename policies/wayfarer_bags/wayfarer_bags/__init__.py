"""Episodes in bags.

This package writes and reads a run's files without ROS, and puts each step together by its stamps.
"""
