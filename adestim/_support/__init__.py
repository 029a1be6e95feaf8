"""Doors to other packages and to files; knows nothing of patients."""
