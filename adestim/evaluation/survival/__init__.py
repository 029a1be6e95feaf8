"""Scores of predicted times to an event, and rivals that predict them."""
