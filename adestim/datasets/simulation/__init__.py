"""Cohorts that are simulated."""
