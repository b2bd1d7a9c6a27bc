"""What a data set is made of, as tables, drawings and galleries of slices."""
