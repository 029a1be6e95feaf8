"""Splits as other tools write them."""
