"""Predictions kept, judged and compared: every figure that is reported, with its interval."""
