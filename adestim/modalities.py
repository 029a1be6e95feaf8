"""Reading any table that a fusion estimator accepts: one list of encodings a modality.

Three tables are read alike: an encodings table (object columns, as ``ModalityUnion`` writes it),
a numeric frame whose columns are named ``modality__feature`` (as ``ColumnTransformer`` writes it),
and a plain numeric array, which is one anonymous modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from adestim.encoding import BackboneSpec, Encoding, is_missing
from adestim.exceptions import InputError, NoModalityError

__all__ = [
    "ANONYMOUS",
    "TokenScaler",
    "TokenTable",
    "feature_moments",
    "pack_features",
    "read_modalities",
    "stack_tokens",
]

ANONYMOUS = "features"
SEPARATOR = "__"
# Standard scores beyond this are cut, so that one outlier cannot steer the training.
LARGEST_SCORE = 6.0


@dataclass(frozen=True, eq=False)
class TokenTable:
    """The tokens of one modality for many subjects, stacked and padded.

    Parameters
    ----------
    tokens : ndarray of shape (n_subjects, n_tokens, width), dtype float32
        Zero where there is no token.
    mask : ndarray of shape (n_subjects, n_tokens), dtype bool
        True where a token is real.
    backbone : BackboneSpec
        The model that made the tokens.
    """

    tokens: np.ndarray
    mask: np.ndarray
    backbone: BackboneSpec

    @property
    def present(self) -> np.ndarray:
        """True for the subjects who have the modality, shape (n_subjects,)."""
        return self.mask.any(axis=1)

    @property
    def fixed(self) -> bool:
        """Whether token number t means the same for every subject."""
        return self.backbone.option("token_names") is not None

    def feature_names(self, modality: str) -> list[str]:
        """Name every pooled feature ``modality__token__feature``."""
        features = self.backbone.option("feature_names") or tuple(
            f"d{number}" for number in range(self.tokens.shape[2])
        )
        if not self.fixed:
            return [f"{modality}{SEPARATOR}{feature}" for feature in features]
        tokens = self.backbone.option("token_names")
        if len(features) == 1:
            return [f"{modality}{SEPARATOR}{token}" for token in tokens]
        return [
            f"{modality}{SEPARATOR}{token}{SEPARATOR}{feature}"
            for token in tokens
            for feature in features
        ]

    def pooled(self) -> np.ndarray:
        """Return one row of features a subject, NaN where nothing is known.

        Tokens with fixed places are laid side by side; others are averaged.

        Returns
        -------
        ndarray of shape (n_subjects, n_features), dtype float32
        """
        known = np.where(self.mask[:, :, None], self.tokens, np.float32(np.nan))
        if self.fixed:
            return known.reshape(len(known), -1)
        count = self.mask.sum(axis=1, keepdims=True)
        total = np.where(self.mask[:, :, None], self.tokens, 0).sum(axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def read_modalities(X: pd.DataFrame) -> dict[str, list[Encoding | None]]:
    """Return the encodings of every modality, in the order of the columns.

    Parameters
    ----------
    X : DataFrame of shape (n_subjects, n_columns)
        An encodings table, a numeric frame, or both kinds of columns side by side.

    Returns
    -------
    dict of str to list of (Encoding or None)

    Raises
    ------
    InputError
        When a column holds neither encodings nor numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.modalities import read_modalities
    >>> frame = pd.DataFrame({"mri__volume": [1.0, None], "csf__tau": [2.0, 3.0]})
    >>> read_modalities(frame)
    {'mri': [<Encoding tabular 1x1>, None], 'csf': [<Encoding tabular 1x1>, <Encoding tabular 1x1>]}
    """
    encoded = [place for place in range(X.shape[1]) if holds_encodings(X.iloc[:, place])]
    numeric = [place for place in range(X.shape[1]) if place not in set(encoded)]
    modalities: dict[str, list[Encoding | None]] = {
        str(X.columns[place]): [
            None if is_missing(cell) else cell for cell in X.iloc[:, place].array
        ]
        for place in encoded
    }
    for name, places in numeric_modalities(X.columns, numeric).items():
        if name in modalities:
            raise InputError(
                f"A modality is either encodings or numbers, but {name!r} is both",
                remedy="Rename the numeric columns",
            )
        block = numeric_block(X.iloc[:, places])
        names = [str(X.columns[place]).removeprefix(f"{name}{SEPARATOR}") for place in places]
        modalities[name] = pack_features(block, names)
    return modalities


def holds_encodings(column: pd.Series) -> bool:
    """Tell whether a column is one of encodings; one wholly missing counts as such."""
    if column.dtype != object:
        return False
    cells = [cell for cell in column.array if not is_missing(cell)]
    if any(isinstance(cell, Encoding) for cell in cells):
        require_encodings(column, cells)
        return True
    return not cells


def require_encodings(column: pd.Series, cells: Sequence) -> None:
    """Refuse a column that mixes encodings with raw cells."""
    strange = next((cell for cell in cells if not isinstance(cell, Encoding)), None)
    if strange is not None:
        raise InputError(
            f"Column {column.name!r} holds encodings, so every cell must be an Encoding or None",
            got=f"a cell of type {type(strange).__name__}",
            remedy="Pass the table that ModalityUnion.transform returned",
        )


def numeric_modalities(columns: pd.Index, places: Sequence[int]) -> dict[str, list[int]]:
    """Group numeric columns by the prefix of their names; without prefixes they are one."""
    names = [columns[place] for place in places]
    if not all(isinstance(name, str) and SEPARATOR in name for name in names):
        return {ANONYMOUS: list(places)} if places else {}
    groups: dict[str, list[int]] = {}
    for place, name in zip(places, names, strict=True):
        groups.setdefault(name.split(SEPARATOR, 1)[0], []).append(place)
    return groups


def numeric_block(frame: pd.DataFrame) -> np.ndarray:
    """Return numeric columns as floats, or say which column is none."""
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if column.dtype == object or pd.api.types.is_string_dtype(column):
            try:
                column.astype(float)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"Column {column.name!r} must hold encodings or numbers",
                    got=f"dtype {column.dtype}",
                    remedy="Encode it with an extractor of ModalityUnion, "
                    "or with a scikit-learn encoder",
                ) from error
    return frame.astype(float).to_numpy(dtype=np.float64)


def pack_features(block: np.ndarray, names: Sequence[str]) -> list[Encoding | None]:
    """Pack numeric features as one token each; NaN is a masked token.

    Parameters
    ----------
    block : ndarray of shape (n_subjects, n_features)
        Values, NaN where unknown.
    names : sequence of str
        Names of the features, which become the tokens'.

    Returns
    -------
    list of (Encoding or None)
        None for a subject without a single value.
    """
    spec = BackboneSpec(
        "tabular", options=(("token_names", tuple(names)), ("feature_names", ("value",)))
    )
    known = ~np.isnan(block)
    tokens = np.where(known, block, 0).astype(np.float32)[:, :, None]
    return [
        Encoding(token, token, mask, spec) if mask.any() else None
        for token, mask in zip(tokens, known, strict=True)
    ]


def stack_tokens(
    cells: Sequence[Encoding | None], modality: str, like: TokenTable | None = None
) -> TokenTable:
    """Stack the encodings of one modality.

    Parameters
    ----------
    cells : sequence of (Encoding or None)
        One cell a subject.
    modality : str
        Name of the modality, for messages.
    like : TokenTable, default=None
        The table seen in ``fit``, whose backbone and width must be met. Needed where no
        subject has the modality.

    Returns
    -------
    TokenTable

    Raises
    ------
    InputError
        When the encodings come from different backbones, or no subject has the modality
        and ``like`` is None.
    """
    known = [cell for cell in cells if cell is not None]
    if not known and like is None:
        raise NoModalityError(
            f"Modality {modality!r} is missing for every training subject",
            remedy="Drop its column, or train on a fold in which somebody has it",
        )
    spec = like.backbone if like is not None else known[0].backbone
    width = like.tokens.shape[2] if like is not None else known[0].width
    require_same_backbone(known, modality, spec, width)
    n_tokens = max([cell.n_tokens for cell in known], default=1)
    if like is not None and like.fixed:
        n_tokens = like.tokens.shape[1]
    tokens = np.zeros((len(cells), n_tokens, width), dtype=np.float32)
    mask = np.zeros((len(cells), n_tokens), dtype=bool)
    for row, cell in enumerate(cells):
        if cell is not None:
            tokens[row, : cell.n_tokens] = cell.tokens
            mask[row, : cell.n_tokens] = True if cell.mask is None else cell.mask
    return TokenTable(np.where(mask[:, :, None], tokens, np.float32(0)), mask, spec)


def require_same_backbone(
    known: Sequence[Encoding], modality: str, spec: BackboneSpec, width: int
) -> None:
    """Refuse encodings that another backbone, or other options, made."""
    for cell in known:
        if cell.backbone is not spec and cell.backbone != spec or cell.width != width:
            raise InputError(
                f"All encodings of modality {modality!r} must come from one backbone "
                f"with the same options ({spec.name!r}, width {width})",
                got=f"{cell.backbone.name!r}, width {cell.width}",
                remedy="Encode training and test subjects with the same fitted extractor",
            )


@dataclass(frozen=True, eq=False)
class TokenScaler:
    """Standardisation of one modality's tokens, learned on the training subjects.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_tokens, width) or (width,)
        By place and feature where places are fixed, by feature alone otherwise.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, table: TokenTable) -> TokenScaler:
        """Learn mean and standard deviation of the real tokens."""
        known = np.where(table.mask[:, :, None], table.tokens, np.float32(np.nan))
        width = table.tokens.shape[2]
        rows = known.reshape(len(known), -1) if table.fixed else known.reshape(-1, width)
        mean, scale = feature_moments(rows)
        shape = (-1, width) if table.fixed else (width,)
        return cls(mean.reshape(shape), scale.reshape(shape))

    def transform(self, table: TokenTable) -> np.ndarray:
        """Return standardised tokens, 0 where there is none, dtype float32."""
        scores = np.clip((table.tokens - self.mean) / self.scale, -LARGEST_SCORE, LARGEST_SCORE)
        return np.where(table.mask[:, :, None], scores, 0).astype(np.float32)


def feature_moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the known values of every column.

    A column that is never known, or does not vary, gets an infinite deviation: its standard
    scores are zero.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features)
        Values, NaN where unknown.

    Returns
    -------
    mean, scale : ndarray of shape (n_features,)
    """
    known = ~np.isnan(features)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, features, 0).astype(np.float64)
    mean = filled.sum(axis=0) / count
    variance = (np.where(known, features - mean, 0) ** 2).sum(axis=0) / count
    deviation = np.sqrt(variance)
    varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean, np.where(varies, deviation, np.inf)
