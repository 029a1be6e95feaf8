"""Whether it is the pattern of missing modalities that tells the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn import config_context
from sklearn.linear_model import LogisticRegression

from adestim._support.frames import read_frame
from adestim._support.labels import read_column, read_target, require_one_kind
from adestim._support.sklearn import draw_seeds
from adestim._support.versioned import Versioned
from adestim.encoding.presence import find_present, modality_columns
from adestim.evaluation.leakage.permutation import PermutationTest, permutation_test, score_labels
from adestim.evaluation.missing.dropout import hide_modalities
from adestim.evaluation.scores.metrics import score_probabilities
from adestim.evaluation.splitting.splits import require_groups
from adestim.exceptions import InputError

N_WITHIN = 5
ALPHA = 0.05
# What MaskOnlyClassifier fits, without the reading of tables: it is fitted many times here.
MASK_MODEL = LogisticRegression()


@dataclass(frozen=True, eq=False)
class MaskCheck(Versioned):
    """What the pattern of missing modalities tells, and whether a model listens.

    Parameters
    ----------
    label : PermutationTest
        AUC of the mask-only control for the label.
    cohort : PermutationTest or None
        AUC of the mask-only control for the cohort.
    score : float
        The estimator's AUC on the table as it is.
    across : ndarray of shape (n_permutations,)
        Its AUC where patterns are exchanged among all subjects.
    within : ndarray
        Its AUC where patterns are exchanged among subjects of one class: as much is hidden, yet
        the patterns still tell the label.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation import MaskCheck, PermutationTest
    >>> label = PermutationTest(0.5, np.linspace(0.4, 0.6, 19), "roc_auc")
    >>> check = MaskCheck(label, None, 0.8, np.linspace(0.7, 0.74, 19), np.full(5, 0.72))
    >>> print(check.verdict)
    Which modalities a subject has does not tell the label (AUC 0.50, p = 0.55). ...
    """

    label: PermutationTest
    cohort: PermutationTest | None
    score: float
    across: np.ndarray
    within: np.ndarray

    @property
    def gain(self) -> float:
        """What the estimator gains in AUC where patterns tell the label."""
        return float(np.mean(self.within) - np.mean(self.across))

    @property
    def p(self) -> float:
        """Probability of such a gain by chance."""
        return PermutationTest(float(np.mean(self.within)), self.across).p

    @property
    def verdict(self) -> str:
        """The findings, in plain sentences."""
        subjects = {"label": self.label, "cohort": self.cohort}
        told = [
            f"Which modalities a subject has {choose_phrase(test.p, 'tells', 'does not tell')} the "
            f"{what} (AUC {test.score:.2f}, p = {test.p:.2g})."
            for what, test in subjects.items()
            if test is not None
        ]
        used = (
            f"The estimator {choose_phrase(self.p, 'makes', 'is not seen to make')} use of it: its "
            f"AUC is {np.mean(self.within):.2f} with patterns exchanged within classes and "
            f"{np.mean(self.across):.2f} across (p = {self.p:.2g}); {self.score:.2f} as it is."
        )
        return " ".join([*told, used])


def choose_phrase(p: float, yes: str, no: str) -> str:
    """Return one of two phrases, by significance."""
    return yes if p <= ALPHA else no


def shuffled_mask_check(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    cohort: Any = None,
    cv: Any = 5,
    n_permutations: int = 20,
    n_label_permutations: int = 99,
    n_jobs: int | None = None,
    random_state: Any = 0,
) -> MaskCheck:
    """Check whether a model reads the label off the pattern of missing modalities.

    Two questions are asked. Does the pattern tell the label (and the cohort)? A logistic
    regression on nothing but the pattern answers. Does the estimator make use of it? Every subject
    is given another's pattern: of its own modalities, those that the other lacks are hidden. Where
    others are of any class, patterns tell the label less; where they are of the subject's own
    class, about as much is hidden, and patterns still tell the label. An estimator that is
    better in the second case listens to the pattern.

    Parameters
    ----------
    estimator : estimator
        A classifier that takes missing modalities.
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Encodings table, numeric table, or table of raw cells.
    y : array-like of shape (n_rows,)
        Class labels.
    groups : array-like of shape (n_rows,), default=None
        Groups to keep whole; needed where an index label occurs twice.
    cohort : array-like of shape (n_rows,), default=None
        Cohort or site of every row.
    cv : int, cross-validation splitter or iterable, default=5
        Folds.
    n_permutations : int, default=20
        How often patterns are exchanged among all; each time the estimator is cross-validated.
    n_label_permutations : int, default=99
        How often labels are permuted to test the mask-only control.
    n_jobs : int, default=None
        How many at the same time.
    random_state : int, RandomState instance or None, default=0
        Controls exchanges and folds.

    Returns
    -------
    MaskCheck

    Raises
    ------
    InputError
        When nothing is missing, or there is one cohort only.

    Notes
    -----
    Nothing can be un-hidden, so a subject's own pattern bounds what it is given: a part of what the
    pattern tells is left after the exchange, and the gain is a lower bound. A subject
    that would lose all keeps one of its modalities, chosen at random. P-values are
    (1 + b) / (1 + m) over the exchanges [1]_. AUC is one-vs-rest with more than two classes.

    References
    ----------
    .. [1] Phipson and Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications
       in Genetics and Molecular Biology 9(1), 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.impute import SimpleImputer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from adestim.evaluation import shuffled_mask_check
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 2
    >>> X = pd.DataFrame({"mri__a": rng.normal(size=120), "csf__tau": rng.normal(size=120)})
    >>> X.loc[rng.random(120) < 0.2 + 0.6 * y, "csf__tau"] = np.nan
    >>> model = make_pipeline(SimpleImputer(), LogisticRegression())
    >>> check = shuffled_mask_check(
    ...     model, X, y, cv=2, n_permutations=5, n_label_permutations=39
    ... )
    >>> check.label.p < 0.05
    True
    """
    X, y = read_frame(X), read_target(y, "shuffled_mask_check")
    require_one_kind(y, "shuffled_mask_check", "y")
    groups = require_groups(X, groups)
    columns = modality_columns(X)
    present = find_present(X, columns)
    require_patterns(present)
    mask_seed, own_seed, *seeds = draw_seeds(random_state, 2 + n_permutations + N_WITHIN)
    score = cross_validate_auc(estimator, X, y, groups, cv, own_seed)
    tables = [
        (X, exchange_patterns(present.to_numpy(), y if number < N_WITHIN else None, seed), columns)
        for number, seed in enumerate(seeds)
    ]
    scores = Parallel(n_jobs=n_jobs)(
        delayed(cross_validate_hidden)(estimator, *table, y, groups, cv, own_seed)
        for table in tables
    )
    told = {
        what: run_mask_test(
            present, read_column(labels), groups, cv, n_label_permutations, mask_seed
        )
        for what, labels in (("label", y), ("cohort", cohort))
        if labels is not None
    }
    return MaskCheck(
        label=told["label"],
        cohort=told.get("cohort"),
        score=score,
        across=np.array(scores[N_WITHIN:]),
        within=np.array(scores[:N_WITHIN]),
    )


def require_patterns(present: pd.DataFrame) -> None:
    """Refuse a table that has one pattern only."""
    if len(present.drop_duplicates()) < 2:
        raise InputError(
            "Patterns of missing modalities can be exchanged where there are several",
            got="the same modalities for every subject",
        )


def exchange_patterns(present: np.ndarray, y: np.ndarray | None, seed: int) -> np.ndarray:
    """Return what to hide where everybody is given another's pattern, of one class if told."""
    generator = np.random.default_rng(seed)
    donors = np.arange(len(present))
    strata = [donors] if y is None else [np.flatnonzero(y == label) for label in np.unique(y)]
    for rows in strata:
        donors[rows] = generator.permutation(rows)
    left = present & present[donors]
    emptied = np.flatnonzero(present.any(axis=1) & ~left.any(axis=1))
    chance = np.where(present, generator.random(present.shape), -1.0)[emptied]
    left[emptied, chance.argmax(axis=1)] = True
    return present & ~left


def run_mask_test(
    present: pd.DataFrame, labels: np.ndarray, groups: Any, cv: Any, n_permutations: int, seed: int
) -> PermutationTest:
    """Test whether the pattern alone tells a label."""
    if len(np.unique(labels)) < 2:
        raise InputError("There must be two labels, or cohorts, at least", got="1")
    with config_context(skip_parameter_validation=True):
        test = permutation_test(
            MASK_MODEL,
            present.to_numpy(dtype=float),
            labels,
            groups=groups,
            cv=cv,
            scoring=score_auc,
            n_permutations=n_permutations,
            random_state=seed,
        )
    return replace(test, scoring="roc_auc")


def score_auc(fitted: Any, X: Any, y: np.ndarray) -> float:
    """Return the area under the ROC curve, a mean over classes where there are more than two."""
    scores = score_probabilities(y, fitted.predict_proba(X), fitted.classes_, scores=["roc_auc"])
    return scores["roc_auc"]


def cross_validate_auc(
    estimator: Any, X: Any, y: np.ndarray, groups: Any, cv: Any, seed: int
) -> float:
    """Return the cross-validated AUC."""
    return score_labels(y, estimator, X, groups, cv, score_auc, seed)


def cross_validate_hidden(
    estimator: Any,
    X: Any,
    hidden: np.ndarray,
    columns: Mapping[str, Sequence[int]],
    y: np.ndarray,
    groups: Any,
    cv: Any,
    seed: int,
) -> float:
    """Return the cross-validated AUC of a table with more missing."""
    return cross_validate_auc(estimator, hide_modalities(X, hidden, columns), y, groups, cv, seed)
