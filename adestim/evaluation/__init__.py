"""Training and judging many models of one data set."""

from adestim.evaluation.together import FoldFits, cross_val_fit

__all__ = ["FoldFits", "cross_val_fit"]
