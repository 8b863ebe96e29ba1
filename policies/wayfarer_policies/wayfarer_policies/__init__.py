"""What is learned, from recorded runs or while they are recorded.

Who acts, how it explores, how it learns.
"""
