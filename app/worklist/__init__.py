"""The worklist: what stands on it, in which order, who reads what, and what is done with many."""
