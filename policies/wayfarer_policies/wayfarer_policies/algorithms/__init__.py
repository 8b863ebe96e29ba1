"""Learning algorithms and what they share: networks, labelled batches, checkpoints."""
