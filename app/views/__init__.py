"""The pages: each view fetches, checks the form, acts, and redirects or renders."""
