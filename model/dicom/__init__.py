"""From files that nobody trusts to CT slices in Hounsfield units, in order along the head."""
