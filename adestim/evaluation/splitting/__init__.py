"""Splits: who is trained on, who is held out, and that nobody is both."""
