"""Comparing models on the same splits."""
