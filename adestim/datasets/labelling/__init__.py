"""Diagnoses, their histories, and labels made from them."""
