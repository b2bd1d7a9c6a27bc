"""The science of Falx: from CT files to calibrated probabilities of hemorrhage."""
