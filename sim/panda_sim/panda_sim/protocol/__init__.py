"""The protocol of the box and of its hand: numeric codes, and the layout of messages."""
