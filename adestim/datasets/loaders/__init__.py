"""A cohort's folder in, a table of its subjects out."""
