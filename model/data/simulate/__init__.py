"""Bleeding on demand: hemorrhage of all subtypes, and what resembles it, put into real slices."""
