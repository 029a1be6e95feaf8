"""Late fusion: the phase-1 heads of the observed modalities, combined without a net."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from adestim._support.docs import fill_docs
from adestim._support.ranges import LUCK, OF_THE_QUESTION, Choice
from adestim._support.sklearn import StrOptions, draw_seeds, fit_context
from adestim.fusion._table_classifier import TableClassifier
from adestim.fusion._targets import TrainingSet, check_classes, sort_subjects
from adestim.training.aggregation import (
    Aggregation,
    Mean,
    Validated,
    add_class_zero,
    to_probabilities,
    weigh_by_log_loss,
)
from adestim.training.phase_one.logistic import LogisticProblem
from adestim.training.phase_one.stack import CentredStack
from adestim.training.task import Classification


@fill_docs
class LateFusionClassifier(TableClassifier):
    """Classify by combining one linear model a modality, over those that a subject has.

    The models are the phase-1 heads of :class:`adestim.AnchoredFusionClassifier`: L2-penalised
    logistic regressions on pooled tokens, each fitted on the subjects who have the modality, its
    penalty chosen over inner folds. No net is trained.

    Parameters
    ----------
    weighting : {"mean", "weighted", "stacked"}, default="mean"
        How the models combine. ``"mean"`` averages the probabilities of the modalities observed.
        ``"weighted"`` weighs them by skill: how far the cross-validated log-loss lies below that of
        the class frequencies; where no modality observed has any, they count equally.
        ``"stacked"`` fits an L2-penalised multinomial logistic regression to the cross-validated
        log-odds of all modalities, centred; those of a missing one count as 0, and nothing else
        tells what is missing.
    %(class_weight)s
    %(random_state)s

    Attributes
    ----------
    %(classes_attributes)s
    phase_one_ : adestim.training.phase_one.logistic.PhaseOne
        The fitted heads.
    skill_ : ndarray of shape (n_modalities,)
        Skill of every modality's model, where ``weighting="weighted"``.

    See Also
    --------
    adestim.BlockAverageClassifier : Averages any scikit-learn classifier over the modalities.
    adestim.AnchoredFusionClassifier : Lets modalities read each other.

    Notes
    -----
    %(fusion_tables)s

    References
    ----------
    Stacking of cross-validated predictions: D. H. Wolpert, "Stacked generalization", Neural
    Networks 5, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import LateFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = LateFusionClassifier(weighting="weighted", random_state=0).fit(X, y)
    >>> bool(model.skill_[0] > 0.3 > model.skill_[1])
    True
    >>> model.predict_proba(X).shape
    (80, 2)
    """

    _parameter_constraints: ClassVar[dict] = {
        "weighting": [StrOptions({"mean", "weighted", "stacked"})],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "random_state": ["random_state"],
    }
    _search_space: ClassVar[dict] = {"weighting": Choice(("mean", "weighted", "stacked"))}
    _not_searched: ClassVar[dict] = {
        "class_weight": OF_THE_QUESTION,
        "random_state": LUCK,
    }

    def __init__(self, *, weighting="mean", class_weight=None, random_state=None):
        self.weighting = weighting
        self.class_weight = class_weight
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit one model a modality, then what combines them.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Encodings table, numeric frame or numeric array.
        y : array-like of shape (n_subjects,)
            Class labels.
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group stay on one side of the inner splits. By default rows of the
            same index label, and rows that hold the very same data, are one group.
        sample_weight : array-like of shape (n_subjects,), default=None
            Weights of the subjects; a subject of weight 0 is left out.

        Returns
        -------
        self : object

        Raises
        ------
        NoModalityError
            When a subject has no modality at all.
        InputError
            When y has a single class.
        """
        data, self.classes_ = check_classes(self, X, y, groups, sample_weight, self.class_weight)
        data = sort_subjects(data)
        subjects = self._read_training_table(data.frame)
        task = Classification(self.classes_)
        folds = task.folds(data.targets, data.groups, draw_seeds(self.random_state, 1)[0])
        self.phase_one_, scores = task.fit_phase_one(
            subjects.tables, data.targets, data.weight, folds, members=()
        )
        self._rule = self._learn_rule(scores.values[:, :, 0], subjects.present, data, folds)
        if self.weighting == "weighted":
            self.skill_ = self._rule.skill[subjects.places]
        return self

    def _learn_rule(self, scores, present, data: TrainingSet, folds) -> Aggregation | CentredStack:
        """Learn what combines the heads from the scores by unseen ones."""
        if self.weighting == "mean":
            return Mean()
        if self.weighting == "stacked":
            problem = LogisticProblem([], data.targets, data.weight, len(self.classes_))
            return CentredStack.learn(scores, present, problem, folds)
        unseen = Validated(add_class_zero(scores), present, data.targets, data.weight)
        frequencies = np.bincount(data.targets, data.weight) / data.weight.sum()
        return weigh_by_log_loss(unseen, frequencies)

    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        check_is_fitted(self, "phase_one_")
        subjects = self._read_table(X)
        scores = self.phase_one_.scores(subjects.pool_tokens())
        odds = scores.values[:, :, 0]
        if self.weighting == "stacked":
            return to_probabilities(self._rule.odds(odds, subjects.present))
        return self._rule.combine(to_probabilities(odds), subjects.present)
