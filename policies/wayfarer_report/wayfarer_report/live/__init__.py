"""What is told of a collection while it runs."""
