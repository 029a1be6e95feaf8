"""Figures of what inspection measures."""
