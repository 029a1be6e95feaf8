"""Handing a fitted model on: as a folder without code, or by the Hugging Face hub."""

from adestim.handover.folder import load, save

__all__ = ["load", "save"]
