"""Runs of one recipe, measured together: each patient by the run that never saw him."""
