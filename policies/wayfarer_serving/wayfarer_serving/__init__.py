"""A policy in another process: the protocol, the actor's side and the server's side."""
