"""From a data set to weights that serve: the commands one after the other, resumable."""
