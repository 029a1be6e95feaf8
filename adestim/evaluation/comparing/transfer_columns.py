"""Columns of another cohort's table beside those that estimators were fitted on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from adestim.encoding.tokens import SEPARATOR
from adestim.evaluation.splitting.splits import first_few
from adestim.exceptions import DataWarning, InputError

N_NAMED = 5


def seen_columns(model: Any) -> list | None:
    """Return the names of the columns of fit, None where they had none."""
    seen = getattr(model, "feature_names_in_", None)
    return None if seen is None else list(seen)


def absent_columns(models: Mapping[str, Any], X: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the columns that a table lacks, by estimator; it may not have others."""
    seen = {name: seen_columns(model) for name, model in models.items()}
    nameless = [name for name in models if seen[name] is None]
    for name in nameless:
        require_as_many(name, models[name], X)
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


def require_as_many(name: str, model: Any, X: pd.DataFrame) -> None:
    """Refuse a table of another width than that of fit, where columns had no names there."""
    n_columns = getattr(model, "n_features_in_", X.shape[1])
    if n_columns != X.shape[1]:
        raise InputError(
            f"{name!r} was fitted on {n_columns} columns without names, so that none can be absent",
            got=f"{X.shape[1]} columns",
            remedy="Fit it on a frame whose columns have names",
        )


def tell_of_absent(absent: Mapping[str, tuple[str, ...]]) -> None:
    """Warn of columns that the estimators have to do without."""
    columns = list(dict.fromkeys(column for each in absent.values() for column in each))
    if columns:
        # Of many columns of one modality its name says more.
        names = list(dict.fromkeys(str(column).split(SEPARATOR, 1)[0] for column in columns))
        warnings.warn(
            f"The external cohort lacks {len(columns)} column(s), of {first_few(names)}: they "
            "count as missing.",
            DataWarning,
            stacklevel=3,
        )


def completed(X: pd.DataFrame, models: Mapping[str, Any]) -> pd.DataFrame:
    """Return the table with the columns of all fits; those that it lacks hold nothing."""
    seen = (seen_columns(model) or () for model in models.values())
    known = list(dict.fromkeys(column for columns in seen for column in columns))
    if not known:
        return X
    # Numbers stay numbers; a column of None is read as one of missing encodings.
    is_numeric = all(pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes)
    kind = float if is_numeric else object
    nothing = pd.Series([np.nan if is_numeric else None] * len(X), X.index, kind)
    columns = [X[column] if column in X.columns else nothing.rename(column) for column in known]
    return pd.concat(columns, axis=1)
