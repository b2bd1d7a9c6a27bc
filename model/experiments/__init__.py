"""Recipes compared by cross-validation, on what they never saw."""
