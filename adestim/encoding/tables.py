"""Reading any table that a fusion estimator accepts: one list of encodings a modality.

Three tables are read alike: an encodings table (object columns, as ``ModalityUnion`` writes it),
a numeric frame whose columns are named ``modality__feature`` (as ``ColumnTransformer`` writes it)
or have two levels, and a plain numeric array, which is one anonymous modality.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from adestim._support.frames import (
    match_columns,
    read_frame,
    refuse_complex,
    require_distinct_columns,
    require_some_rows,
)
from adestim._support.numbers import require_finite
from adestim.encoding import Encoding, is_missing
from adestim.encoding.blocks import list_labels, name_blocks, numeric_modalities, warn_of_strays
from adestim.encoding.numbers import PackedNumbers
from adestim.encoding.order import sort_columns
from adestim.encoding.tokens import (
    SEPARATOR,
    TokenTable,
    drop_rows,
    require_a_modality,
    stack_tokens,
)
from adestim.exceptions import DataWarning, InputError

FLOATS = frozenset({np.dtype(np.float64), np.dtype(np.float32)})

# Takes a modality's name, its columns' names and its numbers; returns the order of the columns.
Arrange = Callable[[str, Sequence[str], np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Subjects:
    """Subjects as a fusion reads them, by modality, in an order that no table decides."""

    index: pd.Index
    cells: dict[str, Sequence[Encoding | None]]  # one a subject, None where it is missing
    tables: dict[str, TokenTable]  # the encodings' tokens, stacked
    names: tuple[str, ...]  # the modalities in the order of the user's table

    @property
    def places(self) -> list[int]:
        """Place of every modality, in the order of the user's table, among those here."""
        return [list(self.tables).index(name) for name in self.names]

    @property
    def present(self) -> np.ndarray:
        """Which modalities every subject has, (n_subjects, n_modalities)."""
        return np.stack([table.present for table in self.tables.values()], axis=1)

    def pool_tokens(self) -> list[np.ndarray]:
        """Return one row of features a subject for every modality, (n_subjects, n_features)."""
        return [table.pooled() for table in self.tables.values()]

    def likes(self) -> dict[str, TokenTable]:
        """Return shape and backbone of every modality's tokens, no subject's data."""
        return {name: drop_rows(table) for name, table in self.tables.items()}


def read_modalities(
    X: pd.DataFrame, known: Collection[str] | None = None, arrange: Arrange | None = None
) -> dict[str, Sequence[Encoding | None]]:
    """Return the encodings of every modality, in the order of the columns.

    X (n_subjects, n_columns).
    """
    labels, encoded = list_labels(X.columns), find_encoded(X, known)
    require_distinct([str(labels[place]) for place in encoded])
    numeric = sorted(set(range(len(labels))) - set(encoded))
    modalities: dict[str, Sequence[Encoding | None]] = {
        str(labels[place]): [
            cell if isinstance(cell, Encoding) else None
            for cell in X.iloc[:, place].to_numpy(dtype=object)
        ]
        for place in encoded
    }
    for name, places in numeric_modalities(X.columns, numeric).items():
        if name in modalities:
            raise InputError(
                f"A modality is either encodings or numbers, but {name!r} is both",
                remedy="Rename the numeric columns",
            )
        block = numeric_block(X.iloc[:, as_slice(places)])
        prefix = f"{name}{SEPARATOR}"
        names = [str(labels[place]).removeprefix(prefix) for place in places]
        modalities[name] = pack_in_order(block, names, name, arrange)
    require_known(modalities, known or ())
    return modalities


def find_encoded(X: pd.DataFrame, known: Collection[str] | None) -> list[int]:
    """Return the places of the columns of encodings; a glance at its type tells of most others."""
    may_hold = {dtype for dtype in set(X.dtypes) if dtype.kind == "O"}
    columns = enumerate(zip(list_labels(X.columns), X.dtypes, strict=True))
    return [
        place
        for place, (name, dtype) in columns
        if ((known and str(name) in known) or (may_hold and dtype in may_hold))
        and holds_encodings(X.iloc[:, place], known)
    ]


def as_slice(places: list[int]) -> list[int] | slice:
    """Return places that follow each other as a slice, which copies nothing."""
    whole = range(places[0], places[-1] + 1)
    return slice(whole.start, whole.stop) if places == list(whole) else places


def holds_encodings(column: pd.Series, known: Collection[str] | None) -> bool:
    """Tell whether a column is one of encodings; of one wholly missing its name tells."""
    if column.dtype != object and column.notna().any():
        return False
    cells = [cell for cell in column.array if isinstance(cell, Encoding) or not is_missing(cell)]
    if any(isinstance(cell, Encoding) for cell in cells):
        require_encodings(column, cells)
        return True
    if cells or known is not None:
        return not cells and str(column.name) in known
    return column.dtype == object and SEPARATOR not in str(column.name)


def require_distinct(names: Sequence[str]) -> None:
    """Refuse two columns of encodings that bear one name."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            "Every modality needs a name of its own",
            got=f"{', '.join(map(repr, repeated))} more than once",
            remedy="Rename columns of the encodings table",
        )


def require_known(modalities: Collection[str], known: Collection[str]) -> None:
    """Refuse a table that lacks a modality seen in ``fit``."""
    absent = [name for name in known if name not in modalities]
    if absent:
        raise InputError(
            f"Modalities {', '.join(map(repr, absent))} were seen in fit, so the table needs them",
            got=f"{', '.join(map(repr, modalities))}",
            remedy="Pass the columns of fit, None or NaN in those of a missing modality",
        )


def require_encodings(column: pd.Series, cells: Sequence) -> None:
    """Refuse a column that mixes encodings with raw cells."""
    strange = next((cell for cell in cells if not isinstance(cell, Encoding)), None)
    if strange is not None:
        raise InputError(
            f"Column {column.name!r} holds encodings, so every cell must be an Encoding or None",
            got=f"a cell of type {type(strange).__name__}",
            remedy="Pass the table that ModalityUnion.transform returned",
        )


def numeric_block(frame: pd.DataFrame) -> np.ndarray:
    """Return numeric columns as floats, or say which column is none."""
    kinds = set(frame.dtypes)
    if kinds <= FLOATS and len(kinds) == 1:
        block = frame.to_numpy()
    else:
        require_numbers(frame)
        block = frame.astype(float).to_numpy(dtype=np.float64)
    require_finite(block, frame.columns)
    return block


def require_numbers(frame: pd.DataFrame) -> None:
    """Refuse columns that cannot be read as numbers."""
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if not pd.api.types.is_numeric_dtype(column):
            try:
                column.astype(float)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"Column {column.name!r} must hold encodings or numbers",
                    got=f"dtype {column.dtype}",
                    remedy="Encode it with an extractor of ModalityUnion, "
                    "or with a scikit-learn encoder",
                ) from error


def pack_in_order(
    block: np.ndarray, names: Sequence[str], modality: str, arrange: Arrange | None
) -> PackedNumbers:
    """Pack numeric features, in their own order where nothing arranges them.

    block (n_subjects, n_features).
    """
    if arrange is None:
        return PackedNumbers(block, names)
    order = arrange(modality, names, block)
    if np.array_equal(order, np.arange(len(names))):
        return PackedNumbers(block, names)
    return PackedNumbers(block[:, order], [names[place] for place in order])


def arrange_to_train(modality: str, names: Sequence[str], block: np.ndarray) -> np.ndarray:
    """Return the order of a modality's columns that their names, or contents, decide.

    block (n_subjects, n_features) -> (n_features,).
    """
    return sort_columns(names, block)


def arrange_like(
    likes: Mapping[str, TokenTable], modality: str, names: Sequence[str], block: np.ndarray
) -> np.ndarray:
    """Return the order of a modality's columns that was seen in ``fit``.

    block (n_subjects, n_features) -> (n_features,).
    """
    seen = likes[modality].backbone.option("token_names") or () if modality in likes else ()
    rank = {name: place for place, name in reversed(list(enumerate(seen)))}
    return np.argsort([rank.get(name, len(seen)) for name in names], kind="stable")


def pack_features(block: np.ndarray, names: Sequence[str]) -> list[Encoding | None]:
    """Pack numeric features as one token each; NaN is a masked token.

    block (n_subjects, n_features).
    """
    return list(PackedNumbers(block, names))


def check_fusion_table(estimator, X, *, reset: bool) -> pd.DataFrame:
    """Return any table a fusion estimator accepts as a frame, checked as scikit-learn does.

    Its columns bear the names seen in ``fit``, or ``x0``, ``x1``, ... where there were none.
    """
    X = read_named_table(estimator, X, reset)
    refuse_complex(X, type(estimator).__name__)
    if holds_objects(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        frame = pd.DataFrame(X)
        require_some_rows(frame, type(estimator).__name__)
    else:
        frame = check_floats(estimator, X, reset)
    names = getattr(estimator, "feature_names_in_", None)
    return frame.set_axis(
        [f"x{place}" for place in range(frame.shape[1])] if names is None else names, axis=1
    )


def read_named_table(estimator, X, reset: bool):
    """Return a table of any library as one of pandas, in the columns of ``fit`` where it is later.

    An array comes back as it is.
    """
    X = read_frame(X)
    if not isinstance(X, pd.DataFrame):
        return X
    frame = name_blocks(X)
    if not reset:
        return match_columns(estimator, frame)
    require_distinct_columns(frame, type(estimator).__name__)
    numeric = find_numeric(frame)
    has_encodings = len(numeric) < frame.shape[1] and bool(find_encoded(frame, None))
    warn_of_strays(frame.columns, numeric, has_encodings)
    return frame


def find_numeric(frame: pd.DataFrame) -> list[int]:
    """Return the places of the columns of numbers; every type is looked at once."""
    numeric = {kind for kind in set(frame.dtypes) if pd.api.types.is_numeric_dtype(kind)}
    return [place for place, kind in enumerate(frame.dtypes) if kind in numeric]


def check_floats(estimator, X, reset: bool) -> pd.DataFrame:
    """Return a table of numbers as floats, checked as scikit-learn does; copied where it must be.

    X (n_subjects, n_columns).
    """
    rules = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
    index = X.index if isinstance(X, pd.DataFrame) else None
    kinds = set() if index is None else set(X.dtypes)
    if len(kinds) != 1 or not kinds <= FLOATS:
        return pd.DataFrame(validate_data(estimator, X, reset=reset, **rules), index=index)
    # Of a frame scikit-learn looks at the type of every column, which takes long for one subject.
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    values = check_array(X.to_numpy(), estimator=estimator, input_name="X", **rules)
    if np.may_share_memory(values, X.iloc[:, 0].to_numpy()):
        return pd.DataFrame(X)
    return pd.DataFrame(values, index=index, copy=False)


def holds_objects(X) -> bool:
    """Tell whether a table holds more than numbers, encodings in the first place."""
    if isinstance(X, pd.DataFrame):
        return not all(pd.api.types.is_numeric_dtype(kind) for kind in set(X.dtypes))
    return (
        isinstance(X, np.ndarray)
        and X.dtype == object
        and X.ndim == 2
        and any(isinstance(cell, Encoding) for cell in X.flat)
    )


def read_training_table(frame: pd.DataFrame) -> Subjects:
    """Return the training subjects; a modality that nobody has is left out, with a word.

    Modalities, and the columns of each, are in an order that does not depend on the frame's.
    """
    cells = read_modalities(frame, arrange=arrange_to_train)
    absent = [name for name, column in cells.items() if is_absent(column)]
    if absent and len(absent) < len(cells):
        warnings.warn(
            f"No training subject has {', '.join(map(repr, absent))}; the fit does without.",
            DataWarning,
            stacklevel=5,
        )
    warn_of_identifiers(cells)
    kept = {name: column for name, column in cells.items() if name not in absent}
    return stack_subjects({name: kept[name] for name in sorted(kept)}, frame.index, tuple(kept))


def warn_of_identifiers(cells: Mapping[str, Sequence[Encoding | None]]) -> None:
    """Warn of numbers that name or count the subjects, which in a sorted table are the label."""
    for modality, column in cells.items():
        found = column.find_identifiers() if isinstance(column, PackedNumbers) else {}
        for name, reason in found.items():
            warnings.warn(
                f"Column {name!r} of {modality!r} {reason}; leave it out.",
                DataWarning,
                stacklevel=6,
            )


def is_absent(cells: Sequence[Encoding | None]) -> bool:
    """Tell whether no subject has a modality."""
    if isinstance(cells, PackedNumbers):
        return not cells.mask.any()
    return all(cell is None for cell in cells)


def read_later_table(frame: pd.DataFrame, likes: Mapping[str, TokenTable]) -> Subjects:
    """Return later subjects, given the shapes and backbones that were seen in ``fit``."""
    cells = read_modalities(frame, likes, partial(arrange_like, likes))
    strangers = [name for name, like in likes.items() if is_stranger(name, cells[name], like)]
    require_known([name for name in cells if name not in strangers], list(likes))
    names = tuple(name for name in cells if name in likes)
    return stack_subjects({name: cells[name] for name in likes}, frame.index, names, likes)


def is_stranger(name: str, cells: Sequence[Encoding | None], like: TokenTable) -> bool:
    """Tell whether a column of numbers merely bears the name of a modality of encodings."""
    if not isinstance(cells, PackedNumbers) or cells.backbone.option("token_names") != (name,):
        return False
    return cells.backbone != like.backbone


def stack_subjects(
    cells: Mapping[str, Sequence[Encoding | None]],
    index: pd.Index,
    names: tuple[str, ...],
    likes: Mapping[str, TokenTable] | None = None,
) -> Subjects:
    """Return subjects, each of whom has a modality."""
    tables = {
        name: stack_tokens(column, name, None if likes is None else likes[name])
        for name, column in cells.items()
    }
    require_a_modality(tables, index)
    return Subjects(index, dict(cells), tables, names)
