"""Who takes part in a comparison: estimators, and the controls beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.base import is_regressor

from adestim._support.frames import read_frame
from adestim._support.scores import REGRESSION_SCORES, SCORES
from adestim.evaluation.comparing.controls import CovariateClassifier, MaskOnlyClassifier
from adestim.evaluation.scores.thresholds import read_rule
from adestim.exceptions import InputError

MASK_ONLY = "mask only"


@dataclass(frozen=True, eq=False)
class Candidate:
    """An estimator, and what it reads of the table."""

    estimator: Any  # the estimator, not fitted
    # who has none of these is left out; None leaves nobody out
    modalities: tuple[str, ...] | None = None
    columns: tuple[int, ...] | None = None  # positions of the columns that it reads; None for all
    reads_presence: bool = False  # whether it reads who has what, and not the values


def read_candidates(estimators: Any) -> dict[str, Candidate]:
    """Return estimators as candidates; there must be one, and all must have names."""
    if not isinstance(estimators, Mapping) or not estimators:
        raise InputError(
            "'estimators' maps names to estimators",
            got="none" if isinstance(estimators, Mapping) else f"a {type(estimators).__name__}",
            remedy='Pass {"fusion": AnchoredFusionClassifier(), ...}',
        )
    nameless = [name for name in estimators if not isinstance(name, str)]
    if nameless:
        raise InputError("Names of estimators are str", got=repr(nameless[0]))
    return {
        name: each if isinstance(each, Candidate) else Candidate(each)
        for name, each in estimators.items()
    }


def are_regressors(candidates: Mapping[str, Candidate]) -> bool:
    """Tell whether a regression is meant; classifiers must give probabilities."""
    kinds = {name: is_regressor(each.estimator) for name, each in candidates.items()}
    if len(set(kinds.values())) > 1:
        raise InputError(
            "Estimators are all classifiers or all regressors",
            got=f"regressors {', '.join(repr(name) for name in kinds if kinds[name])} among them",
        )
    regression = any(kinds.values())
    method = "predict" if regression else "predict_proba"
    lacking = [name for name, each in candidates.items() if not hasattr(each.estimator, method)]
    if lacking:
        raise InputError(
            f"Every estimator needs {method}",
            got=f"{', '.join(map(repr, lacking))} without",
            remedy="Wrap a classifier that only decides in CalibratedClassifierCV",
        )
    return regression


def choose_scores(scoring: str | Sequence[str] | None, classes: tuple) -> tuple[str, ...]:
    """Return the names of the scores, all of which must be known."""
    known = SCORES if classes else REGRESSION_SCORES
    chosen = known if scoring is None else (scoring,) if isinstance(scoring, str) else scoring
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise InputError(
            "'scoring' names scores",
            got=", ".join(map(repr, unknown)) or "none",
            remedy=f"Choose from {', '.join(known)}",
        )
    return tuple(chosen)


def choose_reference(reference: str | None, candidates: Mapping[str, Candidate]) -> str:
    """Return the name of the reference."""
    if reference is not None and reference not in candidates:
        raise InputError(
            "The reference is one of the estimators",
            got=repr(reference),
            remedy=f"Choose from {', '.join(map(repr, candidates))}",
        )
    return next(iter(candidates)) if reference is None else reference


def require_rule(threshold: str | None, classes: tuple) -> None:
    """Refuse a rule of thresholds that is none, or that has no two classes to part."""
    if threshold is None:
        return
    if len(classes) != 2:
        raise InputError(
            "A threshold parts two classes",
            got=f"{len(classes)} classes" if classes else "a regression",
            remedy="Leave 'threshold' out",
        )
    read_rule(threshold)


def make_controls(covariates: Any, index: pd.Index) -> dict[str, Candidate]:
    """Return the controls: what the mask alone tells, and the covariates."""
    controls = {MASK_ONLY: Candidate(MaskOnlyClassifier(), reads_presence=True)}
    if covariates is not None:
        covariates = read_frame(covariates)
        require_covariates(covariates, index)
        name = " and ".join(map(str, covariates.columns))
        control = CovariateClassifier(covariates)
        controls[name] = Candidate(control, reads_presence=True)
    return controls


def require_covariates(covariates: Any, index: pd.Index) -> None:
    """Refuse covariates that some subject lacks, before any fold fails of it."""
    if not isinstance(covariates, pd.DataFrame):
        raise InputError(
            "'covariates' is a frame indexed by subject", got=type(covariates).__name__
        )
    absent = index.difference(covariates.index)
    if len(absent):
        raise InputError(
            "'covariates' has a row for every subject of the table",
            got=f"none for {len(absent)}, {str(absent[0])!r} for one",
            remedy="Give it the index of X",
        )


def add_controls(
    candidates: Mapping[str, Candidate], covariates: Any, index: pd.Index
) -> dict[str, Candidate]:
    """Return estimators and the controls, whose names must differ."""
    controls = make_controls(covariates, index)
    both = [name for name in candidates if name in controls]
    if both:
        raise InputError(
            "An estimator cannot have the name of a control",
            got=repr(both[0]),
            remedy="Rename it, or pass controls=False",
        )
    return {**candidates, **controls}
