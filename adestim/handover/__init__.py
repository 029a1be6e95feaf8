"""Handing a fitted model on: as a folder without code, or by the Hugging Face hub."""

from adestim.handover.folder import load, save
from adestim.handover.hub import from_pretrained, push_to_hub

__all__ = ["from_pretrained", "load", "push_to_hub", "save"]
