"""Who did what when, kept and shown."""
