"""Episodes in bags.

A run's files written and read without ROS, and each step put together again by its stamps.
"""
