"""What is learned, from recorded runs or while they are recorded: who acts, how it explores, how it learns."""
