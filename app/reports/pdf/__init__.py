"""A study's report as PDF."""
