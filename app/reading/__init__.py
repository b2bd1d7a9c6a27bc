"""What the reading page shows of a study."""
