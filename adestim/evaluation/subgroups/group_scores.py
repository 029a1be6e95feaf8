"""Scores of predictions by sex, age, site and the like, and tests of the gaps between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.checks import require_count
from adestim._support.predictions import require_predictions
from adestim._support.scores import (
    CLASS_SCORES,
    HOW_BOUNDED,
    N_RESAMPLES,
    NUMBER_SCORES,
    REGRESSION_SCORES,
    name_score,
    require_scores,
)
from adestim._support.versioned import Versioned
from adestim._support.words import first_names
from adestim.evaluation._tables import frame_to_markdown
from adestim.evaluation.missing.patterns import pool_estimators, score_members
from adestim.evaluation.scores.checks import require_share
from adestim.evaluation.scores.out_of_fold import Pool
from adestim.evaluation.scores.significance import holm
from adestim.evaluation.subgroups.gaps import measure_gaps
from adestim.evaluation.subgroups.levels import (
    ALL,
    SCORED,
    Level,
    align_attributes,
    judge_rows,
    name_levels,
    split_into_levels,
)
from adestim.exceptions import InputError

DEFAULT_SCORES = (
    "roc_auc", "balanced_accuracy", "sensitivity", "specificity", "brier", "calibration_slope",
    "calibration_intercept",
)  # fmt: skip
GAP_COLUMNS = ["estimator", "attribute", "score", "n_levels", "lowest", "highest", "gap", "p"]


@dataclass(frozen=True, eq=False)
class GroupScores(Versioned):
    """For whom predictions are good: scores by sex, age, site and the like.

    Parameters
    ----------
    scores : DataFrame
        A row for each estimator, attribute and level, and one of all: ``estimator``,
        ``attribute``, ``level``, ``n`` people, ``status`` (``"scored"``, ``"too few people"`` or
        ``"not of every class"``), ``pooled`` (the levels that ``"other (pooled)"`` is made of) and
        every score with its ``_low`` and ``_high``; NaN of those that are not scored.
    gaps : DataFrame
        A row for each estimator, attribute and score: ``n_levels`` that were scored, the
        ``lowest`` and the ``highest`` of them, the ``gap`` between these, its ``p``, and
        ``p_holm``, adjusted for the number of attributes.
    names : tuple of str
        Names of the scores.
    level : float, default=0.95
        Level of the intervals.
    min_size : int, default=20
        Levels of fewer people were not scored.

    See Also
    --------
    score_by_group : Makes it.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import score_by_group
    >>> predictions = pd.DataFrame({"estimator": "a", "repeat": 0, "row": range(80)})
    >>> predictions["subject"] = predictions["row"]
    >>> predictions["y"] = [30.0, 28.0] * 40
    >>> predictions["prediction"] = [29.0] * 40 + [27.0] * 40
    >>> sex = pd.DataFrame({"sex": ["F"] * 40 + ["M"] * 40})
    >>> found = score_by_group(predictions, sex, scores=["mae"], n_resamples=50)
    >>> print(found.to_markdown(digits=1))
    | Group | n | MAE |
    | --- | --- | --- |
    | all | 80 | 1.5 [1.3, 1.7] |
    | sex: F | 40 | 1.0 [1.0, 1.0] |
    | sex: M | 40 | 2.0 [1.7, 2.2] |
    """

    scores: pd.DataFrame
    gaps: pd.DataFrame
    names: tuple[str, ...]
    level: float = 0.95
    min_size: int = 20

    @property
    def estimators(self) -> list[str]:
        """Names of the estimators, in order."""
        return list(self.scores["estimator"].unique())

    def table(self, estimator: str | None = None, *, digits: int = 3) -> pd.DataFrame:
        """Return an estimator's scores as texts, with intervals, a row for each level.

        Parameters
        ----------
        estimator : str, default=None
            Which estimator; None for the first.
        digits : int, default=3
            Decimals.

        Returns
        -------
        DataFrame
            Its index names attribute and level; what is not scored says why.
        """
        own = select_estimator(self.scores, estimator, self.estimators)
        columns: dict[str, Any] = {"n": own["n"].to_numpy()}
        for name in self.names:
            columns[name_score(name)] = [
                write_score(row, name, digits) for row in own.to_dict("records")
            ]
        labels = [name_group(row) for row in own.to_dict("records")]
        return pd.DataFrame(columns, index=pd.Index(labels, name="group"))

    def gap_table(self, estimator: str | None = None, *, digits: int = 3) -> pd.DataFrame:
        """Return an estimator's largest gaps as texts, a row for each attribute and score.

        Parameters
        ----------
        estimator : str, default=None
            Which estimator; None for the first.
        digits : int, default=3
            Decimals.

        Returns
        -------
        DataFrame
        """
        own = select_estimator(self.gaps, estimator, self.estimators)
        own = own[own["gap"].notna()]
        between = [
            f"{low} to {high}" for low, high in zip(own["lowest"], own["highest"], strict=True)
        ]
        columns = {
            "score": own["score"].map(name_score).to_numpy(),
            "lowest to highest": between,
            "gap": [f"{gap:.{digits}f}" for gap in own["gap"]],
            "p": [write_p(p) for p in own["p"]],
            "p, Holm": [write_p(p) for p in own["p_holm"]],
        }
        return pd.DataFrame(columns, index=pd.Index(own["attribute"], name="attribute"))

    def to_markdown(self, estimator: str | None = None, *, digits: int = 3) -> str:
        """Return an estimator's scores with their intervals as a table in Markdown.

        Parameters
        ----------
        estimator : str, default=None
            Which estimator; None for the first.
        digits : int, default=3
            Decimals.

        Returns
        -------
        str
        """
        return frame_to_markdown(self.table(estimator, digits=digits), "Group")

    def describe(self, estimator: str | None = None) -> list[str]:
        """Return what the numbers are, what was pooled and what was not scored, in sentences.

        Parameters
        ----------
        estimator : str, default=None
            Which estimator; None for the first.

        Returns
        -------
        list of str
        """
        own = select_estimator(self.scores, estimator, self.estimators)
        bounds = f", with {self.level:.0%} intervals {HOW_BOUNDED}" if self._has_intervals else ""
        lines = [f"Scores of predictions, averaged over repeats{bounds}."]
        pooled = own[own["pooled"].map(len) > 0].to_dict("records")
        left = own[own["status"] != SCORED].to_dict("records")
        return [
            *lines,
            *(f"{row['attribute']}: {', '.join(row['pooled'])} were pooled." for row in pooled),
            *(f"{name_group(row)} was not scored: {row['status']} ({row['n']})." for row in left),
        ]

    @property
    def _has_intervals(self) -> bool:
        """Whether intervals were asked for."""
        return f"{self.names[0]}_low" in self.scores

    def __repr__(self) -> str:
        """Return which attributes, and the first estimator's first scores."""
        attributes = [name for name in self.scores["attribute"].unique() if name != ALL]
        table = self.table().iloc[:, :4]
        return (
            f"GroupScores of {len(self.estimators)} estimator(s) by {', '.join(attributes)}; "
            f"{self.estimators[0]!r}:\n{table.to_string()}"
        )

    def _repr_html_(self) -> str:
        parts = [self.table().to_html(escape=True)]
        if self.gaps["gap"].notna().any():
            parts.append(self.gap_table().to_html(escape=True))
        return "".join(parts) + "".join(f"<p>{escape(line)}</p>" for line in self.describe())


def score_by_group(
    comparison: Any,
    groups: Any,
    *,
    scores: Sequence[str] | None = None,
    estimators: Sequence[str] | None = None,
    min_size: int = 20,
    n_resamples: int = N_RESAMPLES,
    n_permutations: int = 1000,
    level: float = 0.95,
    random_state: Any = 0,
) -> GroupScores:
    """Score predictions by sex, age, site and the like, and test the gaps between levels.

    Parameters
    ----------
    comparison : Comparison, Transfer or DataFrame
        Where predictions come from; a DataFrame is the ``predictions`` of either, with the columns
        ``estimator``, ``repeat``, ``row``, ``subject``, ``y``, one ``p_<class>`` a class (or
        ``prediction``), and ``group`` and ``threshold`` optionally.
    groups : DataFrame of shape (n_subjects, n_attributes)
        An attribute a column, its levels as values, the labels of the compared table as index.
        Rows that were not analysed may be there. Who has no value is of the level ``"not known"``.
        Numbers of many values are cut into bands before: ``pandas.cut(age, [0, 65, 75, 120])``.
    scores : sequence of str, default=None
        Names of scores; None takes discrimination, decisions and calibration (slope and calibration
        in the large) for classes, all for numbers.
    estimators : sequence of str, default=None
        Of which estimators; None for the reference, or all where there is none.
    min_size : int, default=20
        Levels of fewer people, and those who lack a class, are pooled as ``"other (pooled)"``, and
        not scored where even these are too few. At least 2.
    n_resamples : int, default=2000
        Resamples of the bootstrap; 0 leaves intervals out.
    n_permutations : int, default=1000
        Permutations of the tests; 0 leaves p-values out.
    level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Controls the bootstrap and the permutations.

    Returns
    -------
    GroupScores

    Raises
    ------
    InputError
        When a predicted subject is not in ``groups``, an attribute has one level or is a
        measurement, or a name or a number is none of those allowed.

    See Also
    --------
    score_by_pattern : The same by what modalities people have.

    Notes
    -----
    The statistic of a test is the largest difference of a score between two levels. Its p-value is
    the share of permutations in which it is at least as large. Who exchanges levels with whom
    is the null hypothesis, and follows from the score [1]_. Areas under the ROC curve, sensitivity,
    specificity and balanced accuracy: people of a class, so that given the diagnosis the prediction
    does not depend on the level. Calibration, PPV and NPV: five people each of neighbouring
    predictions (of three classes or more: those of a predicted class), so that given the prediction
    the diagnosis does not depend on the level. All others: everybody, so that neither does. A
    rejection may come from another difference of the distributions than that of the score itself
    [2]_. All rows of a person move together; where a person is of several levels, such as an age
    band at several visits, there is no test, and p is NaN. p-values are adjusted over the
    attributes for each score [3]_, not over scores. That no gap is found in small groups does not
    say that there is none: see the intervals. Where a diagnosis is rarer in one level, both kinds
    of null hypothesis cannot hold at once, unless predictions are perfect.

    Ranks compare people of different folds, whose models differ in level, as few of a group are in
    one fold; the row of all does so too, and may differ from ``Comparison.summary``.

    References
    ----------
    .. [1] Barocas, S., Hardt, M., & Narayanan, A. (2023). Fairness and Machine Learning:
       Limitations and Opportunities. MIT Press (separation, sufficiency, independence).
    .. [2] DiCiccio, C., Vasudevan, S., Basu, K., Kenthapadi, K., & Agarwal, D. (2020). Evaluating
       fairness using permutation tests. KDD 2020.
    .. [3] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian
       Journal of Statistics, 6(2), 65-70.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim.evaluation import compare, score_by_group
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(200, 2)), columns=["mri__volume", "csf__tau"])
    >>> y = np.where(X["mri__volume"] + rng.normal(size=200) > 0, "AD", "CN")
    >>> comparison = compare({"logistic": LogisticRegression()}, X, y, scoring="roc_auc")
    >>> groups = pd.DataFrame({"sex": rng.choice(["F", "M"], 200)}, index=X.index)
    >>> found = score_by_group(
    ...     comparison, groups, scores=["roc_auc"], n_resamples=50, n_permutations=99
    ... )
    >>> found.gaps[["attribute", "score", "n_levels"]]
      attribute    score  n_levels
    0       sex  roc_auc         2
    """
    require_share(level)
    require_count(min_size, "'min_size' is a whole number from 2", least=2)
    for value, name in ((n_resamples, "n_resamples"), (n_permutations, "n_permutations")):
        require_count(value, f"'{name}' is a whole number from 0", least=0)
    predictions = choose_predictions(comparison, estimators)
    study = predictions.drop_duplicates("row").sort_values("row")
    index = pd.Index(study["row"])
    attributes = align_attributes(groups, pd.Index(study["subject"]))
    y = None if "prediction" in predictions else study["y"].astype(str).to_numpy()
    names = list_group_scores(scores, of_classes=y is not None)
    pools = pool_estimators(predictions.assign(subject=predictions["row"]), index)
    tables, gaps = [], []
    for estimator, pool in pools.items():
        split = split_attributes(attributes, pool, y, min_size)
        own = score_levels(pool, split, names, n_resamples, level, random_state)
        found = compare_levels(pool, split, names, y, n_permutations, random_state)
        tables.append(pd.DataFrame(own).assign(estimator=estimator))
        gaps.append(found.assign(estimator=estimator))
    return GroupScores(
        scores=put_columns_first(pd.concat(tables, ignore_index=True), ["estimator"]),
        gaps=put_columns_first(pd.concat(gaps, ignore_index=True), GAP_COLUMNS),
        names=tuple(names),
        level=level,
        min_size=int(min_size),
    )


def choose_predictions(comparison: Any, estimators: Sequence[str] | None) -> pd.DataFrame:
    """Return the predictions of some estimators: of the reference, or all where there is none."""
    given = comparison if isinstance(comparison, pd.DataFrame) else comparison.predictions
    require_predictions(given, ["estimator", "repeat", "row", "subject", "y"])
    there = list(map(str, given["estimator"].unique()))
    if estimators is None:
        reference = getattr(comparison, "reference", None)
        estimators = there if reference is None else [reference]
    unknown = [name for name in estimators if name not in there]
    if unknown or not len(estimators):
        raise InputError(
            "'estimators' are some of those that were compared",
            got=first_names(unknown) or "none",
            remedy=f"Choose from {', '.join(map(repr, there))}",
        )
    return given[given["estimator"].isin(list(estimators))]


def list_group_scores(scores: Sequence[str] | None, *, of_classes: bool) -> list[str]:
    """Return the names of the scores that were asked for, or the usual ones."""
    known = CLASS_SCORES if of_classes else NUMBER_SCORES
    usual = DEFAULT_SCORES if of_classes else REGRESSION_SCORES
    names = list(usual if scores is None else scores)
    require_scores(names, known)
    if not names:
        raise InputError("Groups are judged by a score or more", got="none")
    return names


def split_attributes(
    attributes: pd.DataFrame, pool: Pool, y: np.ndarray | None, min_size: int
) -> dict[str, list[Level]]:
    """Return the levels of every attribute, and all rows before them, under the same name."""
    rows = pool.rows
    everybody = Level(ALL, rows, judge_rows(rows, pool.groups, y, min_size))
    levels = {
        str(name): list(split_into_levels(name_levels(column), rows, pool.groups, y, min_size))
        for name, column in attributes.items()
    }
    return {ALL: [everybody]} | levels


def score_levels(
    pool: Pool,
    split: Mapping[str, Sequence[Level]],
    names: Sequence[str],
    n_resamples: int,
    level: float,
    random_state: Any,
) -> Iterator[dict[str, Any]]:
    """Yield a row for every level, with its scores where there are enough people."""
    ends = ("", "_low", "_high") if n_resamples else ("",)
    nothing = {f"{name}{end}": np.nan for name in names for end in ends}
    for attribute, levels in split.items():
        for each in levels:
            values = nothing
            if each.status == SCORED:
                values = score_members(pool, each.rows, names, n_resamples, level, random_state)
            yield {
                "attribute": attribute,
                "level": each.name,
                "n": len(np.unique(pool.groups[each.rows])),
                "status": each.status,
                "pooled": each.pooled,
            } | values


def compare_levels(
    pool: Pool,
    split: Mapping[str, Sequence[Level]],
    names: Sequence[str],
    y: np.ndarray | None,
    n_permutations: int,
    random_state: Any,
) -> pd.DataFrame:
    """Return the largest gaps of every attribute, their p-values adjusted over attributes."""
    tables = [
        measure_gaps(
            pool,
            [each for each in levels if each.status == SCORED],
            names,
            y,
            n_permutations=n_permutations,
            random_state=random_state,
        ).assign(attribute=attribute)
        for attribute, levels in split.items()
        if levels[0].name != ALL
    ]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(p_holm=table.groupby("score")["p"].transform(holm))


def put_columns_first(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a table with some columns before the others."""
    return table[[*names, *(name for name in table if name not in names)]]


def select_estimator(
    table: pd.DataFrame, estimator: str | None, there: Sequence[str]
) -> pd.DataFrame:
    """Return the rows of one estimator, of the first if None."""
    name = there[0] if estimator is None else estimator
    if name not in there:
        raise InputError(
            "'estimator' is one of those that were judged by group",
            got=repr(name),
            remedy=f"Choose from {', '.join(map(repr, there))}",
        )
    return table[table["estimator"] == name]


def name_group(row: Mapping[str, Any]) -> str:
    """Return what a row of the table is called."""
    return ALL if row["attribute"] == ALL else f"{row['attribute']}: {row['level']}"


def write_score(row: Mapping[str, Any], name: str, digits: int) -> str:
    """Return a score with its interval, or why there is none."""
    if row["status"] != SCORED:
        return row["status"]
    value, low, high = (row.get(f"{name}{end}", np.nan) for end in ("", "_low", "_high"))
    if np.isnan(value):
        return "–"
    bounds = "" if np.isnan([low, high]).any() else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{bounds}"


def write_p(p: float) -> str:
    """Return a p-value as text."""
    return "–" if np.isnan(p) else f"{p:.3f}"
