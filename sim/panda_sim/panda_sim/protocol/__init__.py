"""The language of the box and of its hand: numbers, and how messages lie in bytes."""
