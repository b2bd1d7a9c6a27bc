"""What readers say of a finding, and how far they agree."""
