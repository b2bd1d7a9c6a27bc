"""A run of training: its recipe, slices, state and checkpoints, and the network it leaves."""
