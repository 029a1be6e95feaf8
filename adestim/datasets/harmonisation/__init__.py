"""Differences of scanners and sites taken out."""
