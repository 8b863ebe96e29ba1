"""Algorithm 1.

Where to set out for, what to learn from the past, and the methods as choices of parts.
"""
