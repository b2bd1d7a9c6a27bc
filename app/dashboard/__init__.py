"""How the site fares: volume, times, agreement and drift, in figures and plots."""
