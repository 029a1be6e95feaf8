"""Which numeric columns make which modality: the one place that tells it by their names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pandas as pd

from adestim.encoding.tokens import SEPARATOR
from adestim.exceptions import DataWarning, TableError

ANONYMOUS = "features"
N_NAMED = 5


def name_blocks(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns (modality, feature) are named ``modality__feature``."""
    if not isinstance(frame.columns, pd.MultiIndex):
        return frame
    if frame.columns.nlevels != 2:
        raise TableError(
            "Columns of several levels are (modality, feature), so of two",
            got=f"{frame.columns.nlevels} levels",
            remedy="Join the levels of the features to one",
        )
    pairs = [(str(modality), str(feature)) for modality, feature in frame.columns]
    require_plain_modalities([modality for modality, _ in pairs])
    names = [SEPARATOR.join(pair) if pair[1] else pair[0] for pair in pairs]
    return frame.set_axis(pd.Index(names, dtype=object), axis=1)


def require_plain_modalities(modalities: Sequence[str]) -> None:
    """Refuse a modality whose name would end elsewhere once a feature is joined to it."""
    wrong = [name for name in dict.fromkeys(modalities) if SEPARATOR in name or name[-1:] == "_"]
    if wrong:
        raise TableError(
            f"The name of a modality has no {SEPARATOR!r} in it, and no '_' at its end",
            got=", ".join(map(repr, wrong[:N_NAMED])),
            remedy="Rename the first level of the columns",
        )


def numeric_modalities(columns: pd.Index, places: Sequence[int]) -> dict[str, list[int]]:
    """Group numeric columns by the prefix of their names; all of a table without any are one.

    A column without a prefix beside others that have one, or beside encodings, is a modality of its
    own.
    """
    labels = list_labels(columns)
    names = [labels[place] for place in places]
    if len(names) == len(labels) and not any(map(has_prefix, names)):
        return {ANONYMOUS: list(places)} if places else {}
    require_both_parts(names)
    require_strays_apart(names)
    groups: dict[str, list[int]] = {}
    for place, name in zip(places, names, strict=True):
        groups.setdefault(str(name).split(SEPARATOR, 1)[0], []).append(place)
    return groups


def warn_of_strays(columns: pd.Index, places: Sequence[int], beside_encodings: bool) -> None:
    """Warn of numeric columns without a prefix beside others that have one, or encodings."""
    labels = list_labels(columns)
    names = [labels[place] for place in places]
    strays = [name for name in names if isinstance(name, str) and not has_prefix(name)]
    if strays and (beside_encodings or any(map(has_prefix, names))):
        numeric_modalities(columns, places)
        more = f" and {len(strays) - N_NAMED} more" if len(strays) > N_NAMED else ""
        warnings.warn(
            f"Columns {', '.join(map(repr, strays[:N_NAMED]))}{more} have no "
            f"'modality{SEPARATOR}' before their name, as those of a table of blocks have: each "
            f"is a modality of its own. Rename them ('clinical{SEPARATOR}{strays[0]}') to put them "
            "into one, or drop what is no input.",
            DataWarning,
            stacklevel=6,
        )


def has_prefix(name: object) -> bool:
    """Tell whether the label of a column names a modality and a feature."""
    return isinstance(name, str) and SEPARATOR in name


def require_both_parts(names: Sequence[object]) -> None:
    """Refuse a column whose modality or feature has no name."""
    wrong = [name for name in names if has_prefix(name) and not all(str(name).split(SEPARATOR, 1))]
    if wrong:
        raise TableError(
            f"A column is named modality{SEPARATOR}feature, neither of them empty",
            got=", ".join(map(repr, wrong[:N_NAMED])),
            remedy="Rename these columns, or drop what is no input",
        )


def require_strays_apart(names: Sequence[object]) -> None:
    """Refuse a column without a prefix that is called as the modality of other columns."""
    modalities = {str(name).split(SEPARATOR, 1)[0] for name in names if has_prefix(name)}
    both = [str(name) for name in names if not has_prefix(name) and str(name) in modalities]
    if both:
        raise TableError(
            f"A column is a modality of its own, or one of a modality's features, named "
            f"modality{SEPARATOR}feature",
            got=f"{both[0]!r} beside columns that begin with '{both[0]}{SEPARATOR}'",
            remedy="Rename it",
        )


def list_labels(columns: pd.Index) -> list:
    """Return the labels of columns, which an index of text yields slowly one by one."""
    return columns.to_numpy(dtype=object).tolist()
