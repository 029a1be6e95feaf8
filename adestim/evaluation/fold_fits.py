"""The folds of a cross-validation, trained together through one frozen model.

Further seeds, and further sets of parameters, train beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length

from adestim._support.frames import read_frame
from adestim._support.labels import (
    check_row_groups,
    place_rows,
    read_target,
    require_one_kind,
    require_splits,
)
from adestim._support.predictions import align_probabilities
from adestim._support.sklearn import (
    callback_management_context,
    check_params,
    list_callbacks,
    take_rows,
)
from adestim._support.torch import choose_device
from adestim._support.versioned import Versioned
from adestim.exceptions import InputError
from adestim.fusion import AnchoredFusionClassifier
from adestim.training.lockstep.lockstep import train_teams
from adestim.training.lockstep.team import Team
from adestim.training.teams import TeamTraining

N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class FoldFits(Versioned):
    """The classifiers of a cross-validation.

    Parameters
    ----------
    estimators : list of AnchoredFusionClassifier
        The fitted classifiers, by candidate, then by fold, and in a fold by seed.
    splits : list of tuple of two ndarrays of int
        Training and test rows of every classifier.
    seeds : list
        The ``random_state`` of every classifier.
    candidates : list of int
        The number of every classifier's set of parameters among the candidates; 0 where there is
        but one.
    """

    estimators: list[AnchoredFusionClassifier]
    splits: list[tuple[np.ndarray, np.ndarray]]
    seeds: list[Any]
    candidates: list[int]

    def of(self, candidate: int) -> FoldFits:
        """Return the classifiers of one set of parameters.

        Parameters
        ----------
        candidate : int
            Its number among the candidates.

        Returns
        -------
        FoldFits

        Raises
        ------
        InputError
            When there is no such candidate.
        """
        if candidate not in self.candidates:
            raise InputError(
                "'candidate' must be the number of a set of parameters that was fitted",
                got=repr(candidate),
                remedy=f"Choose from 0 to {max(self.candidates)}",
            )
        places = [place for place, number in enumerate(self.candidates) if number == candidate]
        return FoldFits(
            estimators=[self.estimators[place] for place in places],
            splits=[self.splits[place] for place in places],
            seeds=[self.seeds[place] for place in places],
            candidates=[candidate] * len(places),
        )

    @property
    def classes(self) -> np.ndarray:
        """All classes that a fold was trained on, in order."""
        return np.unique(np.concatenate([each.classes_ for each in self.estimators]))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return every subject's probabilities from the classifiers that it is a test subject of.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            The table that the classifiers were fitted on, all rows.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
            Averaged over seeds and repeats; NaN for who is never tested.

        Raises
        ------
        InputError
            When there are several candidates.
        """
        if len(set(self.candidates)) > 1:
            raise InputError(
                "Probabilities are those of one set of parameters",
                got=f"{len(set(self.candidates))} candidates",
                remedy="Write for example fits.of(0).predict_proba(X)",
            )
        classes = self.classes
        X = read_frame(X)
        total, times = np.zeros((len(X), len(classes))), np.zeros((len(X), 1))
        for estimator, (_, test) in zip(self.estimators, self.splits, strict=True):
            probabilities = estimator.predict_proba(take_rows(X, test))
            total[test] += align_probabilities(probabilities, estimator.classes_, classes)
            times[test] += 1
        return np.divide(total, times, out=np.full_like(total, np.nan), where=times > 0)


def cross_val_fit(
    estimator: AnchoredFusionClassifier,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    cv: Any = None,
    seeds: Sequence[int] | None = None,
    candidates: Sequence[Mapping[str, Any]] | None = None,
    sample_weight: Any = None,
    n_together: int | None = None,
) -> FoldFits:
    """Fit a fusion on every fold of a cross-validation, all folds, seeds and candidates at once.

    Where the anchor is a foundation model, what is trained is tiny beside what is frozen. The
    folds are trained in step: the frozen model reads the batches of all folds as one, every fold
    with its own adapters, Q-former and head, its own order of subjects, schedule and early stop.
    Each classifier is, but for rounding, what ``fit`` would make of the same training rows.
    Nets of anchors with a reference backbone are stacked, those of several folds and seeds too.

    Parameters
    ----------
    estimator : AnchoredFusionClassifier
        The classifier; it is cloned, not fitted.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Encodings table, numeric frame or numeric array.
    y : array-like of shape (n_subjects,)
        Class labels.
    groups : array-like of shape (n_subjects,), default=None
        Rows of one group stay on one side of the folds, and of the inner splits.
    cv : int, cross-validation splitter, iterable or None, default=None
        The folds; an int or None (5) means stratified ones, that keep groups whole where there
        are any.
    seeds : sequence of int, default=None
        Every fold is fitted once with each as ``random_state``; None keeps the estimator's own.
    candidates : sequence of mapping of str to value, default=None
        Sets of parameters to try, as for ``set_params``; every fold is fitted once with each.
        Those that only differ in how they are trained (learning rate, weight decay, dropout,
        patience, sizes of batches, epochs) train together. Those that differ in shape (rank of
        the adapters, queries, precision) train group by group. None keeps the estimator's own.
    sample_weight : array-like of shape (n_subjects,), default=None
        Weights of the subjects, as in ``fit``.
    n_together : int, default=None
        How many classifiers are trained at once; None for all. The memory of activations grows
        with it; 1 fits one by one.

    Returns
    -------
    FoldFits

    Raises
    ------
    InputError
        When the estimator is no AnchoredFusionClassifier, has callbacks, or its anchor's model
        does not treat the subjects of a batch one by one; when a candidate is no set of its
        parameters, or asks for another device.
    DeviceMemoryError
        When the device's memory does not suffice.

    Notes
    -----
    Dropout draws from a stream of random numbers a fold, so that it, too, is as in ``fit``; only
    dropout before adapters differs where folds' texts are of different lengths, since batches
    are padded to the longest. All folds' standardised tokens are in memory at once.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.evaluation import cross_val_fit
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(60, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> model = AnchoredFusionClassifier(anchor="mri", width=8, n_trees=0, max_epochs=1)
    >>> fits = cross_val_fit(model, X, y, cv=3, seeds=[0, 1])
    >>> len(fits.estimators)
    6
    >>> fits.predict_proba(X).shape
    (60, 2)
    >>> fits = cross_val_fit(
    ...     model, X, y, cv=3, candidates=[{"learning_rate": 1e-3}, {"learning_rate": 1e-2}]
    ... )
    >>> fits.candidates
    [0, 0, 0, 1, 1, 1]
    >>> fits.of(1).predict_proba(X).shape
    (60, 2)
    """
    require_fusion(estimator)
    require_number(n_together)
    tried = list_candidates(estimator, candidates)
    X, y = read_frame(X), read_target(y, "cross_val_fit")
    check_consistent_length(X, y)
    require_one_kind(y, "cross_val_fit", "y")
    groups = check_row_groups(groups, len(y), "cross_val_fit")
    folds = list_checked_folds(cv, y, groups)
    jobs = [
        (clone_with_seed(each, seeds, place), fold, number)
        for number, each in enumerate(tried)
        for fold in folds
        for place in range(1 if seeds is None else len(seeds))
    ]
    chunk = n_together or len(jobs)
    for start in range(0, len(jobs), chunk):
        fit_at_once(jobs[start : start + chunk], X, y, groups, sample_weight)
    return FoldFits(
        estimators=[each for each, _, _ in jobs],
        splits=[fold for _, fold, _ in jobs],
        seeds=[each.random_state for each, _, _ in jobs],
        candidates=[number for _, _, number in jobs],
    )


def list_candidates(
    estimator: AnchoredFusionClassifier, candidates: Sequence[Mapping[str, Any]] | None
) -> list[AnchoredFusionClassifier]:
    """Return the classifier with every set of parameters, each of them checked."""
    if candidates is None:
        return [estimator]
    sets = [] if isinstance(candidates, (str, Mapping)) else list(candidates)
    if not sets or not all(isinstance(params, Mapping) for params in sets):
        raise InputError(
            "'candidates' of cross_val_fit must be a list of sets of parameters",
            got=f"a {type(candidates).__name__}" if sets or not candidates else repr(candidates),
            remedy="Write for example candidates=[{'learning_rate': 1e-3}, {'dropout': 0.3}]",
        )
    tried = [clone(estimator).set_params(**params) for params in sets]
    for each in tried:
        require_fusion(each)
    devices = {str(choose_device(each.device)) for each in tried}
    if len(devices) > 1:
        raise InputError(
            "Candidates are trained together, on one device",
            got=", ".join(sorted(devices)),
            remedy="Leave 'device' out of the candidates",
        )
    return tried


def fit_at_once(jobs: Sequence[tuple], X: Any, y: np.ndarray, groups: Any, weight: Any) -> None:
    """Fit some classifiers, each on its fold, anchor by anchor and in step."""
    device = choose_device(jobs[0][0].device)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device] * (device.type == "cuda")))
        stack.enter_context(config_context(skip_parameter_validation=True))
        fits = []
        for each, (train, _), _ in jobs:
            stack.enter_context(callback_management_context(each))
            parts = (X, y, groups, weight)
            rows = (None if part is None else take_rows(part, train) for part in parts)
            fits.append(stack.enter_context(closing(each.fit_nets(*rows))))
        while teams := next_teams(fits):
            train_teams(teams)


def next_teams(fits: Sequence[Iterator[TeamTraining]]) -> list[Team]:
    """Return every classifier's next anchors, of those that have any left."""
    trainings = (next(fit, None) for fit in fits)
    return [team for each in trainings if each is not None for team in each.teams]


def clone_with_seed(
    estimator: AnchoredFusionClassifier, seeds: Sequence[int] | None, place: int
) -> AnchoredFusionClassifier:
    """Return a copy of the classifier, not fitted, with one of the seeds where there are any."""
    copy = clone(estimator)
    return copy if seeds is None else copy.set_params(random_state=seeds[place])


def list_checked_folds(cv: Any, y: np.ndarray, groups: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return training and test rows of every fold, checked."""
    drawn = folds_of(cv, y, groups).split(np.zeros(len(y)), y, groups)
    folds = [(place_rows(train), place_rows(test)) for train, test in drawn]
    require_splits(folds, len(y), "cross_val_fit")
    return folds


def folds_of(cv: Any, y: np.ndarray, groups: Any) -> BaseCrossValidator:
    """Return what splits into folds; groups are kept whole unless a splitter is given."""
    if groups is not None and (cv is None or isinstance(cv, int)):
        return StratifiedGroupKFold(cv or N_FOLDS)
    return check_cv(N_FOLDS if cv is None else cv, y, classifier=True)


def require_fusion(estimator: Any) -> None:
    """Refuse what cannot be trained in step, and say what to do instead."""
    if isinstance(estimator, Pipeline):
        raise InputError(
            "cross_val_fit takes the fusion alone: steps before it may learn from the rows, and "
            "would have to be fitted anew on every fold",
            got="a Pipeline",
            remedy="Where the extractors learn nothing from the subjects (frozen models, no "
            "adapt=), pass X = pipeline[:-1].fit_transform(X) and estimator = pipeline[-1]; "
            "otherwise use sklearn.model_selection.cross_validate",
        )
    if not isinstance(estimator, AnchoredFusionClassifier):
        raise InputError(
            "cross_val_fit trains an AnchoredFusionClassifier", got=type(estimator).__name__
        )
    if callbacks := list_callbacks(estimator):
        raise InputError(
            "Callbacks follow one fit after the other, and cross_val_fit trains all folds in step",
            got=f"{len(callbacks)} on the estimator",
            remedy="Call estimator.set_callbacks() without any, or use "
            "sklearn.model_selection.cross_validate",
        )
    check_params(estimator)


def require_number(n_together: Any) -> None:
    """Refuse a number of classifiers that is none."""
    is_number = isinstance(n_together, int) and not isinstance(n_together, bool)
    if n_together is not None and not (is_number and n_together > 0):
        raise InputError(
            "'n_together' of cross_val_fit must be a number from 1, or None for all",
            got=repr(n_together),
        )
