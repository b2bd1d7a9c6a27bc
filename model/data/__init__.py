"""Data sets that the model is trained and tested on."""
