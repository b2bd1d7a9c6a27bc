"""Synthetic heads: a head CT from formulae and a seed, into which the simulator puts bleeding."""
