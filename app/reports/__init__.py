"""What leaves the clinic: verdicts as training labels."""
