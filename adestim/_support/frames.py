"""Tables of other libraries as those of pandas: the one place that reads them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from adestim._support.sklearn import find_output_container
from adestim.exceptions import DataWarning, InputError, TableError

# A table of a library that is not read has one of these; an array has none.
MARKS_OF_FRAMES = ("__dataframe__", "__arrow_c_stream__", "collect_schema", "columns")
READ = "Tables are read from pandas, polars and pyarrow, or as arrays"
N_NAMED = 5


def read_frame(X: Any) -> Any:
    """Return the table or column of another library as one of pandas; others come back as is."""
    if isinstance(X, pd.DataFrame | pd.Series | pd.Index):
        return X
    # Of a sparse one whoever reads the table says that it must be dense.
    if issparse(X):
        return X
    if isinstance(X, np.ndarray):
        return pd.DataFrame(X) if X.dtype.names and X.ndim == 1 else X
    if isinstance(X, Mapping):
        refuse_table(X, "Write pandas.DataFrame(X)")
    reader = READERS.get((type(X).__module__.partition(".")[0], type(X).__name__))
    if reader is not None:
        return reader(X)
    if callable(getattr(X, "to_pandas", None)) and not hasattr(X, "__array_namespace__"):
        return read_by_its_own(X)
    if any(hasattr(X, mark) for mark in MARKS_OF_FRAMES):
        refuse_table(X, "Pass the table as one of pandas; a lazy one is computed first")
    return X


def as_frame(X: Any) -> pd.DataFrame:
    """Return a table of any library, or an array, as one of pandas."""
    X = read_frame(X)
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))


def read_by_its_own(X: Any) -> pd.DataFrame | pd.Series:
    """Return a table by the way to pandas that its library has."""
    try:
        found = X.to_pandas()
    except Exception as error:
        raise TableError(
            READ,
            got=f"a {name_class(X)}, whose to_pandas() fails: {type(error).__name__}",
            remedy="Pass the table as one of pandas",
        ) from error
    if not isinstance(found, pd.DataFrame | pd.Series):
        refuse_table(X, "Pass the table as one of pandas")
    return found


def refuse_table(X: Any, remedy: str) -> None:
    """Refuse a table that is not read, by the name of its class."""
    raise TableError(READ, got=f"a {name_class(X)}", remedy=remedy)


def name_class(value: Any) -> str:
    """Return the name of a value's class with that of its library."""
    return f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"


def read_polars(X: Any) -> pd.DataFrame:
    """Return a table of polars, column by column: its own way knows no column of objects."""
    columns = [read_polars_column(column) for column in X.get_columns()]
    if not columns:
        return pd.DataFrame(index=pd.RangeIndex(len(X)))
    return pd.concat(columns, axis=1)


def read_polars_column(column: Any) -> pd.Series:
    """Return a column of polars; numbers with a gap become floats, as in pandas."""
    dtype, name = column.dtype, column.name
    if dtype.is_numeric() and not dtype.is_decimal():
        return pd.Series(column.to_numpy(), name=name)
    cells = column.to_list()
    if type(dtype).__name__ in ("Categorical", "Enum"):
        return pd.Series(pd.Categorical(cells), name=name)
    if dtype.is_object() or dtype.is_nested():
        return pd.Series(fill_objects(cells), name=name, dtype=object)
    return pd.Series(cells, name=name)


def fill_objects(cells: Any) -> np.ndarray:
    """Return cells as objects, lists among them as they are."""
    column = np.empty(len(cells), dtype=object)
    column[:] = list(cells)
    return column


def refuse_lazy(X: Any) -> None:
    """Refuse a query of polars that was not run."""
    refuse_table(X, "Call its collect() first")


# By the library's name and the class's: a library is imported by who hands its tables over.
READERS: dict[tuple[str, str], Any] = {
    ("polars", "DataFrame"): read_polars,
    ("polars", "Series"): read_polars_column,
    ("polars", "LazyFrame"): refuse_lazy,
}


def write_as_asked(estimator: Any, frame: pd.DataFrame) -> Any:
    """Return a table of pandas in the container that ``set_output`` asks for.

    Objects, which scikit-learn cannot hand over to polars, become columns of objects there.
    """
    if find_output_container(estimator) != "polars" or not isinstance(frame, pd.DataFrame):
        return frame
    if frame.index.has_duplicates:
        warnings.warn(
            "Tables of polars have no index, so that a subject's several rows are no longer known "
            "as such. Pass groups= to the splitter and to fit.",
            DataWarning,
            stacklevel=4,
        )
    import polars

    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    return polars.DataFrame([write_polars_column(str(each.name), each) for each in columns])


def write_polars_column(name: str, column: pd.Series) -> Any:
    """Return a column of polars; its type is that of objects where pandas has no other."""
    import polars

    if column.dtype == object:
        return polars.Series(name, column.tolist(), dtype=polars.Object)
    return polars.Series(name, column.to_numpy())


def match_columns(estimator: Any, frame: pd.DataFrame, needed: Any = None) -> pd.DataFrame:
    """Return a later table in the columns of ``fit``, found by their names.

    As ``ColumnTransformer`` does: their order does not count, further ones are passed over, and so
    is the lack of one that is not needed; None needs them all.
    """
    seen = getattr(estimator, "feature_names_in_", None)
    if seen is None or np.array_equal(seen, frame.columns.to_numpy(dtype=object)):
        return frame
    if not all(isinstance(name, str) for name in frame.columns):
        return frame
    require_distinct_columns(frame, type(estimator).__name__)
    known = set(frame.columns)
    if not known.issuperset(seen if needed is None else needed):
        # scikit-learn names what is absent.
        return frame
    return frame.reindex(columns=list(seen)) if needed is not None else frame[list(seen)]


def refuse_complex(X: Any, owner: str) -> None:
    """Refuse complex numbers, in scikit-learn's words but without the numbers themselves."""
    kinds = X.dtypes if isinstance(X, pd.DataFrame) else [getattr(X, "dtype", None)]
    if any(getattr(kind, "kind", None) == "c" for kind in set(kinds)):
        raise InputError(
            f"Complex data not supported by {owner}", remedy="Pass real numbers, text or paths"
        )


def require_distinct_columns(X: Any, owner: str) -> None:
    """Refuse a table two of whose columns bear one name."""
    columns = getattr(X, "columns", None)
    if columns is not None and columns.has_duplicates:
        named = ", ".join(map(repr, columns[columns.duplicated()].unique()[:N_NAMED]))
        raise TableError(
            f"{owner} needs columns that bear a name of their own each",
            got=f"{named} more than once",
            remedy="Rename or drop columns",
        )


def require_some_rows(frame: pd.DataFrame, owner: str) -> None:
    """Refuse a table of nobody, in scikit-learn's words."""
    if not len(frame):
        raise InputError(
            f"Found 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required by {owner}",
            remedy="Pass at least one subject",
        )
