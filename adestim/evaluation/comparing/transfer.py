"""Fitted estimators on a cohort that they have never seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from adestim._support.frames import read_frame, require_some_rows
from adestim._support.labels import find_missing_labels, read_column
from adestim._support.positive_class import put_positive_last
from adestim._support.predictions import Predictions, tabulate_predictions
from adestim._support.scores import N_RESAMPLES, REGRESSION_SCORES, SCORES
from adestim._support.sklearn import draw_seeds
from adestim._support.versioned import Versioned
from adestim.encoding.blocks import name_blocks
from adestim.encoding.tokens import SEPARATOR
from adestim.evaluation._tables import scores_to_html, scores_to_latex, scores_to_markdown
from adestim.evaluation.comparing.analysed_rows import (
    find_kept_rows,
    infer_label_dtype,
    warn_of_left_out,
)
from adestim.evaluation.comparing.flow import CohortFlow, cohort_flow, find_presence
from adestim.evaluation.comparing.jobs import predict_values
from adestim.evaluation.scores.out_of_fold import compare_by_delong, gather_pool
from adestim.evaluation.scores.significance import holm
from adestim.evaluation.splitting.splits import name_first, require_groups
from adestim.exceptions import DataWarning, InputError

ONE = "estimator"
N_NAMED = 5
# More would not fit a line.
SCORES_SHOWN = 6


@dataclass(frozen=True, eq=False)
class Transfer(Versioned):
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

    def __repr__(self) -> str:
        """Return what was judged, and the first scores."""
        estimates = self.scores.xs("estimate", axis=1, level=1).iloc[:, :SCORES_SHOWN]
        return f"Transfer of {len(self.scores)} estimators:\n{estimates.round(3).to_string()}"

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
    n_resamples: int = N_RESAMPLES,
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
    models = read_fitted(fitted)
    X_external = read_external(X_external, models)
    groups = require_groups(X_external, groups)
    y, classes = read_column(y_external), find_shared_classes(models, positive)
    check_consistent_length(X_external, y)
    require_known_classes(y, classes)
    absent = find_absent_columns(models, X_external)
    warn_of_absent_columns(absent)
    whole = complete_columns(X_external, models)
    present = find_presence(whole, models.values())
    kept, left_out = find_kept_rows(y, present)
    warn_of_left_out(left_out)
    y = infer_label_dtype(y[kept]) if classes else y[kept].astype(float)
    groups = None if groups is None else groups[kept]
    cuts = read_thresholds(threshold, models, classes)
    tables = []
    for name, model in models.items():
        values = predict_values(model, select_seen_columns(model, whole.loc[kept]), classes)
        found = Predictions(y, values, classes, np.full(len(y), cuts[name]))
        subjects = whole.index[kept]
        tables.append(tabulate_predictions(found, subjects, estimator=name, groups=groups))
    predictions = pd.concat(tables, ignore_index=True)
    return Transfer(
        scores=tabulate_model_scores(predictions, classes, n_resamples, level, random_state),
        predictions=predictions,
        differences=tabulate_differences(predictions, list(models), classes, level),
        absent=absent,
        flow=cohort_flow(
            present.loc[kept], y if classes else None, left_out=left_out, groups=groups
        ),
    )


def read_fitted(fitted: Any) -> dict[str, Any]:
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


def read_external(X: Any, models: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table of any library as one of pandas; refuse one whose columns have no names."""
    X = read_frame(X)
    if not isinstance(X, pd.DataFrame):
        raise InputError(
            "An external cohort is a frame, as columns are matched by name", got=type(X).__name__
        )
    require_some_rows(X, "transfer")
    named = all(get_seen_columns(model) is not None for model in models.values())
    return name_blocks(X) if named else X


def find_shared_classes(models: Mapping[str, Any], positive: Any) -> tuple:
    """Return the classes, the positive one last, which all know alike; none for regressors."""
    if is_regressor(next(iter(models.values()))):
        return ()
    sets = {name: tuple(np.asarray(model.classes_).tolist()) for name, model in models.items()}
    if len(set(sets.values())) > 1:
        raise InputError(
            "Estimators that are compared know the same classes",
            got="; ".join(f"{name}: {', '.join(map(str, each))}" for name, each in sets.items()),
        )
    return put_positive_last(next(iter(sets.values())), positive)


def require_known_classes(y: np.ndarray, classes: tuple) -> None:
    """Refuse labels of classes that the estimators were not trained on."""
    if not classes:
        return
    unknown = sorted(
        {str(label) for label in y[~find_missing_labels(y)].tolist() if label not in classes}
    )
    if unknown:
        raise InputError(
            f"Labels are of the classes seen in fit: {', '.join(map(repr, classes))}",
            got=", ".join(map(repr, unknown[:N_NAMED])),
            remedy="Map the external labels to these, or drop the others' rows",
        )


def read_thresholds(threshold: Any, models: Mapping[str, Any], classes: tuple) -> dict[str, float]:
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


def tabulate_model_scores(
    predictions: pd.DataFrame, classes: tuple, n_resamples: int, level: float, random_state: Any
) -> pd.DataFrame:
    """Return every estimator's scores with their intervals."""
    names = SCORES if classes else REGRESSION_SCORES
    seed = draw_seeds(random_state, 1)[0]
    rows = {}
    for estimator, own in predictions.groupby("estimator", sort=False):
        pool = gather_pool(own, classes)
        interval = pool.find_interval(
            names, pool.rows, n_resamples=n_resamples, level=level, random_state=seed
        )
        values = np.stack([pool.score(names, pool.rows), *interval])
        rows[estimator] = values.T.ravel()
    columns = pd.MultiIndex.from_product([names, ["estimate", "low", "high"]])
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.rename_axis(index="estimator")


def tabulate_differences(
    predictions: pd.DataFrame, names: Sequence[str], classes: tuple, level: float
) -> pd.DataFrame:
    """Return DeLong's test of each pair of estimators."""
    if len(classes) != 2 or len(names) < 2:
        return pd.DataFrame()
    tables = dict(iter(predictions.groupby("estimator")))
    pairs = pd.DataFrame(
        [
            {"first": first, "second": second}
            | compare_by_delong(tables[first], tables[second], classes, level)
            for first, second in combinations(names, 2)
        ]
    )
    return pairs.assign(delong_p_holm=holm(pairs["delong_p"]))


def get_seen_columns(model: Any) -> list | None:
    """Return the names of the columns of fit, None where they had none."""
    seen = getattr(model, "feature_names_in_", None)
    return None if seen is None else list(seen)


def select_seen_columns(model: Any, table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that a model was fitted on, all where those had no names."""
    seen = get_seen_columns(model)
    return table if seen is None else table[seen]


def find_absent_columns(models: Mapping[str, Any], X: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the columns that a table lacks, by estimator; it may not have others."""
    seen = {name: get_seen_columns(model) for name, model in models.items()}
    nameless = [name for name in models if seen[name] is None]
    for name in nameless:
        require_width(name, models[name], X)
    known = {column for columns in seen.values() for column in columns or ()}
    others = [column for column in X.columns if column not in known]
    if others and not nameless:
        more = f" and {len(others) - N_NAMED} more" if len(others) > N_NAMED else ""
        raise InputError(
            "An external table has the columns of fit, or fewer",
            got=f"besides, {', '.join(map(repr, others[:N_NAMED]))}{more}",
            remedy="Rename or drop them",
        )
    return {
        name: tuple(column for column in columns or () if column not in X.columns)
        for name, columns in seen.items()
    }


def require_width(name: str, model: Any, X: pd.DataFrame) -> None:
    """Refuse a table of another width than that of fit, where columns had no names there."""
    n_columns = getattr(model, "n_features_in_", X.shape[1])
    if n_columns != X.shape[1]:
        raise InputError(
            f"{name!r} was fitted on {n_columns} columns without names, so that none can be absent",
            got=f"{X.shape[1]} columns",
            remedy="Fit it on a frame whose columns have names",
        )


def warn_of_absent_columns(absent: Mapping[str, tuple[str, ...]]) -> None:
    """Warn of columns that the estimators have to do without."""
    columns = list(dict.fromkeys(column for each in absent.values() for column in each))
    if columns:
        # Of many columns of one modality its name says more.
        names = list(dict.fromkeys(str(column).split(SEPARATOR, 1)[0] for column in columns))
        warnings.warn(
            f"The external cohort lacks {len(columns)} column(s), of {name_first(names)}: they "
            "count as missing.",
            DataWarning,
            stacklevel=3,
        )


def complete_columns(X: pd.DataFrame, models: Mapping[str, Any]) -> pd.DataFrame:
    """Return the table with the columns of all fits; those that it lacks hold nothing."""
    seen = (get_seen_columns(model) or () for model in models.values())
    known = list(dict.fromkeys(column for columns in seen for column in columns))
    if not known:
        return X
    # Numbers stay numbers; a column of None is read as one of missing encodings.
    is_numeric = all(pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes)
    kind = float if is_numeric else object
    nothing = pd.Series([np.nan if is_numeric else None] * len(X), X.index, kind)
    columns = [X[column] if column in X.columns else nothing.rename(column) for column in known]
    return pd.concat(columns, axis=1)
