"""Several nets trained through one pass of a frozen body."""
