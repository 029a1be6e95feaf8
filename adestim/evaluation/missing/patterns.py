"""Which subjects have which modalities, and how well each such group is predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.frames import as_frame
from adestim._support.labels import read_column
from adestim._support.positive_class import turn_to_positive
from adestim._support.predictions import Predictions, read_predictions, require_predictions
from adestim._support.scores import (
    CLASS_SCORES,
    N_RESAMPLES,
    NUMBER_SCORES,
    REGRESSION_SCORES,
    require_scores,
)
from adestim.encoding.blocks import name_blocks
from adestim.encoding.presence import find_present, modality_columns
from adestim.evaluation.scores.out_of_fold import Pool, Repeat
from adestim.exceptions import InputError

ALL, OTHER, NOTHING = "all", "other", "none"
DEFAULT_SCORES = ("roc_auc", "balanced_accuracy", "sensitivity", "specificity", "brier")


def missing_patterns(X: Any, modalities: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """Return which subject has which modality.

    Parameters
    ----------
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        An encodings table, a numeric table, or a table of raw cells.
    modalities : mapping of str to list of str, default=None
        Columns of every modality, for a table of raw cells; None takes what the table itself
        tells, a modality a column where the cells are raw.

    Returns
    -------
    DataFrame of shape (n_subjects, n_modalities), dtype bool
        True where a subject has at least one value of the modality.

    Raises
    ------
    InputError
        When a column of ``modalities`` is not in the table.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import missing_patterns
    >>> X = pd.DataFrame({"mri__a": [1.0, None], "mri__b": [2.0, None], "csf__tau": [None, 3.0]})
    >>> missing_patterns(X)
         mri    csf
    0   True  False
    1  False   True
    """
    frame = name_blocks(as_frame(X))
    columns = (
        modality_columns(frame) if modalities is None else find_named_columns(frame, modalities)
    )
    return find_present(frame, columns)


def find_named_columns(frame: pd.DataFrame, modalities: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the positions of columns that are given by name."""
    wanted = {
        name: [columns] if isinstance(columns, str) else list(columns)
        for name, columns in modalities.items()
    }
    absent = {each for columns in wanted.values() for each in columns} - set(frame.columns)
    if absent:
        raise InputError(
            "The columns of 'modalities' must be in the table",
            got=", ".join(sorted(repr(str(each)) for each in absent)),
        )
    return {name: list(frame.columns.get_indexer(columns)) for name, columns in wanted.items()}


def pattern_labels(present: pd.DataFrame) -> pd.Series:
    """Return every subject's modalities as one word.

    Parameters
    ----------
    present : DataFrame of shape (n_subjects, n_modalities), dtype bool
        What :func:`missing_patterns` returns.

    Returns
    -------
    Series of shape (n_subjects,), dtype object
        ``"smri+clinical"`` for instance; ``"none"`` for who has nothing.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import pattern_labels
    >>> present = pd.DataFrame({"mri": [True, False], "csf": [True, False]}, index=["s1", "s2"])
    >>> pattern_labels(present).to_dict()
    {'s1': 'mri+csf', 's2': 'none'}
    """
    names = np.array([str(name) for name in present.columns], dtype=object)
    labels = ["+".join(names[row]) or NOTHING for row in present.to_numpy(dtype=bool)]
    return pd.Series(labels, index=present.index, name="pattern", dtype=object)


def score_by_pattern(
    predictions: Any,
    present: pd.DataFrame,
    *,
    scores: Sequence[str] | None = None,
    min_subjects: int = 10,
    groups: Any = None,
    positive: Any = None,
    n_resamples: int = N_RESAMPLES,
    level: float = 0.95,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Score every group of subjects that have the same modalities.

    Parameters
    ----------
    predictions : DataFrame or tuple
        The ``predictions`` of a :class:`~adestim.evaluation.Comparison`: one row a test subject,
        with columns ``estimator``, ``repeat``, ``subject``, ``y``, one ``p_<class>`` a class (or
        ``prediction``), ``group`` and ``threshold`` optional. Or ``(y, probabilities, classes)``,
        rows as in ``present``.
    present : DataFrame of shape (n_subjects, n_modalities), dtype bool
        What :func:`missing_patterns` returns.
    scores : sequence of str, default=None
        Names of scores; None takes five for classes, all for numbers.
    min_subjects : int, default=10
        Patterns of fewer subjects are pooled as ``"other"``.
    groups : array-like of shape (n_subjects,), default=None
        Groups that are resampled whole, where predictions are a tuple.
    positive : label, default=None
        The positive of two classes, where predictions are a tuple; None for the patients' (AD
        beside CN, pMCI beside sMCI), or else the last of ``classes``. A table has it last.
    n_resamples : int, default=2000
        Resamples of the bootstrap; 0 leaves intervals out.
    level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Controls the bootstrap.

    Returns
    -------
    DataFrame
        A row for all subjects and for each pattern, the most frequent first: ``estimator``,
        ``pattern``, ``n``, and for every score its value, ``_low`` and ``_high``. Scores are
        averaged over repeats. What cannot be computed is NaN.

    Raises
    ------
    InputError
        When a predicted subject is not in ``present``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.evaluation import score_by_pattern
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(100) % 2
    >>> p = np.where(y == 1, 0.6, 0.4) + rng.normal(0, 0.1, 100)
    >>> present = pd.DataFrame({"mri": True, "csf": np.arange(100) % 5 > 0})
    >>> table = score_by_pattern((y, np.c_[1 - p, p], [0, 1]), present, n_resamples=50)
    >>> table[["pattern", "n"]]
       pattern    n
    0      all  100
    1  mri+csf   80
    2      mri   20
    """
    if isinstance(predictions, tuple):
        pools = {"": pool_arrays(predictions, groups, positive, len(present))}
    else:
        pools = pool_estimators(predictions, present.index)
    labels = pattern_labels(present).to_numpy()
    rows = []
    for name, pool in pools.items():
        names = compute_scores(scores, pool)
        for label, members in split_by_pattern(labels, pool.rows, pool.groups, min_subjects):
            row = {"estimator": name, "pattern": label, "n": len(members)}
            rows.append(row | score_members(pool, members, names, n_resamples, level, random_state))
    table = pd.DataFrame(rows)
    return table.drop(columns="estimator") if isinstance(predictions, tuple) else table


def split_by_pattern(
    labels: np.ndarray, rows: np.ndarray, groups: np.ndarray, min_subjects: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield all rows, then each pattern's, the most frequent first, the small ones pooled."""
    yield ALL, rows
    table = pd.DataFrame({"label": labels[rows], "group": groups[rows]})
    counts = table.groupby("label", sort=True)["group"].nunique()
    counts = counts.sort_values(ascending=False, kind="stable")
    for label in counts.index[counts >= min_subjects]:
        yield label, rows[labels[rows] == label]
    small = counts.index[counts < min_subjects]
    if len(small):
        yield OTHER, rows[np.isin(labels[rows].astype(str), small.to_numpy(dtype=str))]


def score_members(
    pool: Pool, members: np.ndarray, scores: Any, n_resamples: int, level: float, seed: Any
) -> dict[str, float]:
    """Return every score of some subjects, with its interval; NaN for that of a single group."""
    names = list(scores)
    columns = dict(zip(names, pool.score(names, members), strict=True))
    if not n_resamples:
        return columns
    low, high = np.full((2, len(names)), np.nan)
    if len(np.unique(pool.groups[members])) > 1:
        low, high = pool.find_interval(
            names, members, n_resamples=n_resamples, level=level, random_state=seed
        )
    ends = {name: (columns[name], low[place], high[place]) for place, name in enumerate(names)}
    return {
        f"{name}{end}": value
        for name, values in ends.items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }


def compute_scores(scores: Any, pool: Pool) -> Any:
    """Return the names of scores that were asked for, or the usual ones."""
    of_classes = bool(pool.repeats[0].predictions.classes)
    require_scores(scores or (), CLASS_SCORES if of_classes else NUMBER_SCORES)
    return scores or (DEFAULT_SCORES if of_classes else REGRESSION_SCORES)


def pool_arrays(predictions: tuple, groups: Any, positive: Any, n_rows: int) -> Pool:
    """Return predictions that are given as arrays."""
    y, values, classes = predictions
    values, classes = turn_to_positive(values, classes, positive)
    found = Predictions(read_column(y), values, tuple(classes))
    if len(found.y) != n_rows:
        raise InputError(
            "Labels and 'present' must have a row a subject, in the same order",
            got=f"{len(found.y)} and {n_rows} rows",
        )
    rows = np.arange(n_rows)
    groups = rows if groups is None else pd.factorize(np.asarray(groups))[0]
    return Pool(groups, [Repeat(rows, found, None)])


def pool_estimators(predictions: pd.DataFrame, index: pd.Index) -> dict[str, Pool]:
    """Return the predictions of a table, by estimator."""
    require_predictions(predictions, ["estimator", "repeat", "subject"])
    places = find_places(predictions, index)
    groups = place_groups(predictions, places, len(index))
    pools = {}
    for name, rows in predictions.groupby("estimator", sort=False).indices.items():
        table = predictions.iloc[rows]
        repeats = [
            Repeat(
                invert_places(places[rows[own]], len(index)),
                read_predictions(table.iloc[own]),
                None,
            )
            for own in table.groupby("repeat", sort=False).indices.values()
        ]
        pools[str(name)] = Pool(groups, repeats)
    return pools


def find_places(predictions: pd.DataFrame, index: pd.Index) -> np.ndarray:
    """Return every prediction's position in the table; rows of a subject are met in order."""
    turn = predictions.groupby(["estimator", "repeat", "subject"]).cumcount()
    wanted = pd.MultiIndex.from_arrays([predictions["subject"].to_numpy(), turn.to_numpy()])
    own_turn = pd.Series(index).groupby(index.to_numpy()).cumcount()
    places = pd.MultiIndex.from_arrays([index.to_numpy(), own_turn.to_numpy()]).get_indexer(wanted)
    if (places < 0).any():
        raise InputError(
            "Every predicted subject must be in 'present'",
            got=f"{predictions['subject'].to_numpy()[places < 0][0]!r}",
            remedy="Pass missing_patterns of the table that was predicted",
        )
    return places


def place_groups(predictions: pd.DataFrame, places: np.ndarray, n_rows: int) -> np.ndarray:
    """Return a group for every row of the table, its subject where there are no groups."""
    column = "group" if "group" in predictions and predictions["group"].notna().all() else "subject"
    groups = np.full(n_rows, -1)
    groups[places] = pd.factorize(predictions[column])[0]
    return groups


def invert_places(places: np.ndarray, n_rows: int) -> np.ndarray:
    """Return where in a repeat each row of the table is, -1 where it is not."""
    result = np.full(n_rows, -1)
    result[places] = np.arange(len(places))
    return result
