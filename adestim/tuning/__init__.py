"""Search of settings by Optuna: spaces, studies without leaks, pruning by epoch."""

from adestim._support.ranges import Choice, Range
from adestim.tuning.nested import NestedScores, nested_cross_validate
from adestim.tuning.pruning import TrialPruning
from adestim.tuning.search import AdestimSearchCV
from adestim.tuning.space import search_space, suggest
from adestim.tuning.study import tune
from adestim.tuning.tuned import Tuned

__all__ = [
    "AdestimSearchCV",
    "Choice",
    "NestedScores",
    "Range",
    "TrialPruning",
    "Tuned",
    "nested_cross_validate",
    "search_space",
    "suggest",
    "tune",
]
