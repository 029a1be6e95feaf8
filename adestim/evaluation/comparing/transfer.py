"""Fitted estimators on a cohort that they have never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from adestim._support.sklearn import draw_seeds
from adestim.evaluation._tables import scores_to_html, scores_to_latex, scores_to_markdown
from adestim.evaluation.comparing.analysed_rows import (
    as_labels,
    kept_rows,
    tell_of_left_out,
    with_positive_last,
)
from adestim.evaluation.comparing.flow import CohortFlow, cohort_flow, presence
from adestim.evaluation.comparing.jobs import predict
from adestim.evaluation.comparing.out_of_fold import delong_columns, pooled
from adestim.evaluation.comparing.transfer_columns import (
    absent_columns,
    completed,
    seen_columns,
    tell_of_absent,
)
from adestim.evaluation.scores.intervals import bootstrap_interval
from adestim.evaluation.scores.metrics import REGRESSION_SCORES, SCORES
from adestim.evaluation.scores.significance import holm
from adestim.evaluation.splitting.splits import require_groups
from adestim.exceptions import InputError

ONE = "estimator"
N_NAMED = 5


@dataclass(frozen=True, eq=False)
class Transfer:
    """Fitted estimators, judged on an external cohort.

    Parameters
    ----------
    scores : DataFrame
        A row for each estimator; columns are pairs of a score and ``"estimate"``, ``"low"`` and
        ``"high"``.
    predictions : DataFrame
        A row for each estimator and subject, as in :class:`~adestim.evaluation.Comparison`.
    differences : DataFrame
        DeLong's test of each pair of estimators, first minus second: ``first``, ``second``,
        ``delong``, ``delong_low``, ``delong_high``, ``delong_p``, ``delong_p_holm``. Empty unless
        there are two classes and several estimators.
    absent : mapping of str to tuple of str
        The columns that each estimator was fitted on and the cohort lacks.
    flow : CohortFlow
        Who was analysed, who was left out and why.

    See Also
    --------
    adestim.evaluation.transfer : Makes it.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from adestim.evaluation import transfer
    >>> X = pd.DataFrame({"csf__tau": [200.0, 300.0, 400.0]})
    >>> model = LinearRegression().fit(X, [30.0, 28.0, 26.0])
    >>> result = transfer(model, X + 50, [29.0, 27.0, 25.0], n_resamples=50)
    >>> print(result.to_markdown(scores=["mae"], digits=1))
    | Estimator | MAE |
    | --- | --- |
    | estimator | **0.0** [0.0, 0.0] |
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    differences: pd.DataFrame
    absent: Mapping[str, tuple[str, ...]]
    flow: CohortFlow

    def to_markdown(self, *, scores: Sequence[str] | None = None, digits: int = 3) -> str:
        """Return the scores as a table in Markdown, the best in bold.

        Parameters
        ----------
        scores : sequence of str, default=None
            Which scores; None for all.
        digits : int, default=3
            Decimals.

        Returns
        -------
        str
        """
        return scores_to_markdown(self.scores, scores=scores, digits=digits)

    def to_latex(
        self,
        *,
        scores: Sequence[str] | None = None,
        digits: int = 3,
        caption: str | None = None,
        label: str | None = None,
    ) -> str:
        """Return the scores as a table in LaTeX, for the package booktabs.

        Parameters
        ----------
        scores : sequence of str, default=None
            Which scores; None for all.
        digits : int, default=3
            Decimals.
        caption : str, default=None
            Caption; with one, the table is a float.
        label : str, default=None
            Label of the float.

        Returns
        -------
        str
        """
        return scores_to_latex(
            self.scores, scores=scores, digits=digits, caption=caption, label=label
        )

    def _repr_html_(self) -> str:
        return scores_to_html(self.scores)


def transfer(
    fitted: Any,
    X_external: pd.DataFrame,
    y_external: Any,
    *,
    groups: Any = None,
    positive: Any = None,
    threshold: float | Mapping[str, float] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    random_state: Any = 0,
) -> Transfer:
    """Judge fitted estimators on an external cohort, which may lack columns.

    Parameters
    ----------
    fitted : estimator or mapping of str to estimator
        One or several fitted estimators.
    X_external : DataFrame of shape (n_subjects, n_columns)
        Table of the cohort. Columns that it lacks are added without a value; their order is
        that of ``fit``.
    y_external : array-like of shape (n_subjects,)
        Labels, of the classes that the estimators know, or values for regressors.
    groups : array-like of shape (n_subjects,), default=None
        Rows that are resampled together. Needed where a subject has several.
    positive : label, default=None
        The positive of two classes; None for the patients' (AD beside CN, pMCI beside sMCI), or the
        last of the sorted two.
    threshold : float or mapping of str to float, default=None
        From which probability on the positive class is predicted, for all or for each estimator.
        Choose it on the training cohort: :func:`adestim.evaluation.inner_threshold`. None
        predicts the likelier class.
    n_resamples : int, default=2000
        Resamples of the bootstrap over subjects.
    level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seed of the bootstrap.

    Returns
    -------
    Transfer

    Raises
    ------
    InputError
        When an estimator is not fitted, the table has columns that it was not fitted on, or labels
        are of classes that it does not know.

    Warns
    -----
    DataWarning
        Where columns are absent, and where rows are left out, which have no label or not a single
        modality that the estimators know.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.evaluation import transfer
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(120, 2)), columns=["mri__volume", "csf__tau"])
    >>> y = np.where(X["mri__volume"] + rng.normal(size=120) > 0, "AD", "CN")
    >>> model = AnchoredFusionClassifier(width=8, n_trees=0, max_epochs=0)
    >>> model = model.fit(X[:80], y[:80])
    >>> result = transfer(model, X[80:], y[80:], n_resamples=200)
    >>> bool(result.scores["roc_auc", "low"].item() > 0.5)
    True
    """
    models = as_models(fitted)
    require_frame(X_external)
    groups = require_groups(X_external, groups)
    y, classes = np.asarray(y_external), shared_classes(models, positive)
    check_consistent_length(X_external, y)
    require_known_classes(y, classes)
    absent = absent_columns(models, X_external)
    tell_of_absent(absent)
    whole = completed(X_external, models)
    present = presence(whole, models.values())
    kept, left_out = kept_rows(y, present)
    tell_of_left_out(left_out)
    y = as_labels(y[kept]) if classes else y[kept].astype(float)
    groups = None if groups is None else groups[kept]
    cuts = thresholds_of(threshold, models, classes)
    predictions = pd.concat(
        [
            predictions_of(name, model, whole.loc[kept], y, groups, classes, cuts[name])
            for name, model in models.items()
        ],
        ignore_index=True,
    )
    return Transfer(
        scores=scores_frame(predictions, classes, n_resamples, level, random_state),
        predictions=predictions,
        differences=differences_frame(predictions, list(models), classes, level),
        absent=absent,
        flow=cohort_flow(
            present.loc[kept], y if classes else None, left_out=left_out, groups=groups
        ),
    )


def as_models(fitted: Any) -> dict[str, Any]:
    """Return the estimators by name, all of them fitted and of one kind."""
    models = dict(fitted) if isinstance(fitted, Mapping) else {ONE: fitted}
    if not models:
        raise InputError("transfer needs a fitted estimator", got="none")
    for name, model in models.items():
        try:
            check_is_fitted(model)
        except (NotFittedError, TypeError) as error:
            raise InputError(
                "transfer judges fitted estimators",
                got=f"{type(model).__name__} {name!r}, which is not",
                remedy="Call fit on the training cohort first",
            ) from error
    if len({is_regressor(model) for model in models.values()}) > 1:
        raise InputError("Estimators are all classifiers or all regressors", got="both kinds")
    return models


def require_frame(X: Any) -> None:
    """Refuse a table whose columns have no names."""
    if not isinstance(X, pd.DataFrame):
        raise InputError(
            "An external cohort is a frame, as columns are matched by name", got=type(X).__name__
        )


def shared_classes(models: Mapping[str, Any], positive: Any) -> tuple:
    """Return the classes, the positive one last, which all know alike; none for regressors."""
    if is_regressor(next(iter(models.values()))):
        return ()
    sets = {name: tuple(np.asarray(model.classes_).tolist()) for name, model in models.items()}
    if len(set(sets.values())) > 1:
        raise InputError(
            "Estimators that are compared know the same classes",
            got="; ".join(f"{name}: {', '.join(map(str, each))}" for name, each in sets.items()),
        )
    return with_positive_last(next(iter(sets.values())), positive)


def require_known_classes(y: np.ndarray, classes: tuple) -> None:
    """Refuse labels of classes that the estimators were not trained on."""
    if not classes:
        return
    unknown = sorted({str(label) for label in y[~pd.isna(y)].tolist() if label not in classes})
    if unknown:
        raise InputError(
            f"Labels are of the classes seen in fit: {', '.join(map(repr, classes))}",
            got=", ".join(map(repr, unknown[:N_NAMED])),
            remedy="Map the external labels to these, or drop the others' rows",
        )


def thresholds_of(threshold: Any, models: Mapping[str, Any], classes: tuple) -> dict[str, float]:
    """Return every estimator's threshold, NaN for none."""
    if threshold is None:
        return dict.fromkeys(models, np.nan)
    if len(classes) != 2:
        raise InputError("A threshold parts two classes", got=f"{len(classes)} classes")
    cuts = threshold if isinstance(threshold, Mapping) else dict.fromkeys(models, threshold)
    wrong = [name for name in models if not isinstance(cuts.get(name), Real)]
    if wrong:
        raise InputError(
            "A threshold is a number, chosen on the training cohort",
            got=f"{cuts.get(wrong[0])!r} for {wrong[0]!r}",
            remedy="Choose it with adestim.evaluation.inner_threshold",
        )
    return {name: float(cuts[name]) for name in models}


def predictions_of(
    name: str,
    model: Any,
    table: pd.DataFrame,
    y: np.ndarray,
    groups: np.ndarray | None,
    classes: tuple,
    threshold: float,
) -> pd.DataFrame:
    """Return an estimator's predictions of all rows."""
    seen = seen_columns(model)
    values = predict(model, table if seen is None else table[seen], classes)
    frame = pd.DataFrame(
        {
            "estimator": name,
            "repeat": 0,
            "fold": 0,
            "row": np.arange(len(table)),
            "subject": table.index,
            "group": table.index if groups is None else groups,
            "y": y,
        }
    )
    if not classes:
        return frame.assign(prediction=values)
    columns = {f"p_{label}": values[:, place] for place, label in enumerate(classes)}
    return frame.assign(threshold=threshold, **columns)


def scores_frame(
    predictions: pd.DataFrame, classes: tuple, n_resamples: int, level: float, random_state: Any
) -> pd.DataFrame:
    """Return every estimator's scores with their intervals."""
    names = SCORES if classes else REGRESSION_SCORES
    seed = draw_seeds(random_state, 1)[0]
    rows = {}
    for estimator, own in predictions.groupby("estimator", sort=False):
        pool = pooled(own, classes)
        statistic = partial(pool.score, names)
        interval = bootstrap_interval(
            statistic, pool.groups, n_resamples=n_resamples, level=level, random_state=seed
        )
        values = np.stack([statistic(np.arange(len(pool.groups))), *interval])
        rows[estimator] = values.T.ravel()
    columns = pd.MultiIndex.from_product([names, ["estimate", "low", "high"]])
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.rename_axis(index="estimator")


def differences_frame(
    predictions: pd.DataFrame, names: Sequence[str], classes: tuple, level: float
) -> pd.DataFrame:
    """Return DeLong's test of each pair of estimators."""
    if len(classes) != 2 or len(names) < 2:
        return pd.DataFrame()
    tables = dict(iter(predictions.groupby("estimator")))
    pairs = pd.DataFrame(
        [
            {"first": first, "second": second}
            | delong_columns(tables[first], tables[second], classes, level)
            for first, second in combinations(names, 2)
        ]
    )
    return pairs.assign(delong_p_holm=holm(pairs["delong_p"]))
