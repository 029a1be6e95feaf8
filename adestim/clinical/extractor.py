"""From columns of a clinical table to one encoding a subject."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from numbers import Integral
from typing import ClassVar

import pandas as pd

from adestim._sklearn import Interval, StrOptions, draw_seeds
from adestim.clinical.latent_semantics import known_texts, learn_latent_semantics
from adestim.clinical.leakage import guard_columns
from adestim.clinical.table import Declarations, column_names, learn_column, odd_columns
from adestim.clinical.tabular import CodedTable, TabularBackbone
from adestim.encoding import BackboneSpec
from adestim.exceptions import AdestimError, DataWarning
from adestim.extraction import BaseExtractor, Prepared, settle_failures

__all__ = ["ClinicalExtractor"]


class ClinicalExtractor(BaseExtractor):
    """Encode a clinical table: every column becomes a token, missing values stay missing.

    What a column holds is inferred from its dtype and, where that says nothing, from its cells:

    - numeric: numbers, or strings half of which or more are numbers. Values are kept as they
      are. ``"27"`` counts as 27; a limit of detection such as ``">1700"`` counts as its
      limit, with a warning; any other word is an error which names the subject;
    - ordinal: an ordered :class:`pandas.Categorical`. Levels become ranks from 0 to 1;
    - categorical: truth values, categories and words. Levels are one-hot;
    - text: strings of four words or more, mostly different. They are projected by a latent
      semantic analysis of the training texts.

    Missing cells (None, NaN, blank, ``n/a``) are masked tokens, never imputed. Codes such as
    -4 or 999 which stand for missing in some cohorts are numbers here: the loaders of
    :mod:`adestim.datasets` turn them into NaN.

    Parameters
    ----------
    backbone : {"tabular"}, default="tabular"
        Model that makes the tokens. ``"tabular"`` is built in: one token a column.
    numeric : list of str, default=None
        Columns to read as numbers, whatever their dtype.
    categorical : list of str, default=None
        Columns to read as categories, integer codes for instance.
    ordinal : dict of str to list, default=None
        Columns to read as ordered levels: their levels, lowest first.
    text : list of str, default=None
        Columns to read as free text.
    diagnostic : {"warn", "allow", "exclude"}, default="warn"
        What to do about columns that make the diagnosis or follow from it, as their names
        tell (:func:`adestim.clinical.diagnostic_columns`): warn of them in ``fit``, use them
        silently, or drop them.
    max_levels : int, default=20
        Largest number of one-hot features of a categorical column; where there are more
        categories, the rarest share the last one.
    text_width : int, default=16
        Number of features of a text.
    errors : {"raise", "missing"}, default="raise"
        Whether a subject whose cells cannot be used stops the work, or counts as missing,
        with a warning.
    random_state : int, RandomState instance or None, default=0
        Seed of the text projection. None draws a fresh one; the global generator is never
        touched.

    Attributes
    ----------
    columns_ : tuple of Column
        What each column used holds: its ``name``, ``kind`` and ``levels``.
    diagnostic_columns_ : dict of str to str
        Columns that make the diagnosis or follow from it, with the reason.
    tabular_ : TabularBackbone
        The fitted coding.
    backbone_ : BackboneSpec
        Name tag of the backbone; option ``"columns"`` says what each token means.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    Warns
    -----
    LeakageWarning
        In ``fit``, when columns make the diagnosis and ``diagnostic="warn"``.
    DataWarning
        In ``fit``, when a column is missing for every subject, so that its token is always
        masked, or looks like an identifier. In ``transform``, when a level was not seen in
        ``fit``: its token is masked; and when limits of detection are used as values.

    See Also
    --------
    adestim.clinical.diagnostic_columns : Names the columns that make the diagnosis.
    adestim.PoolTokens : Lays the tokens side by side as numbers.

    Notes
    -----
    Tokens have as many features as the table needs: ``value``, then ``level_0`` ... as many
    as the column with most categories has, then ``text_0`` ... where a column holds text. A
    table of numbers alone has one feature a token.

    Rows are coded column by column, not in parallel: 3000 subjects with 30 columns take a
    fraction of a second.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.clinical import ClinicalExtractor
    >>> table = pd.DataFrame(
    ...     {"age": [71.5, 68.0, None], "sex": ["F", "M", "F"]}, index=["s1", "s2", "s3"]
    ... )
    >>> encodings = ClinicalExtractor().fit_transform(table)
    >>> encodings.loc["s1", "clinical"]
    <Encoding tabular 2x3>
    >>> encodings.loc["s1", "clinical"].tokens
    array([[71.5,  0. ,  0. ],
           [ 0. ,  1. ,  0. ]], dtype=float32)
    >>> encodings.loc["s3", "clinical"].mask
    array([False,  True])
    """

    _modality: ClassVar[str] = "clinical"
    _parameter_constraints: ClassVar[dict] = {
        "backbone": [StrOptions({"tabular"})],
        "numeric": [list, tuple, None],
        "categorical": [list, tuple, None],
        "ordinal": [dict, None],
        "text": [list, tuple, None],
        "diagnostic": [StrOptions({"warn", "allow", "exclude"})],
        "max_levels": [Interval(Integral, 2, None, closed="left")],
        "text_width": [Interval(Integral, 1, None, closed="left")],
        "errors": [StrOptions({"raise", "missing"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        backbone="tabular",
        numeric=None,
        categorical=None,
        ordinal=None,
        text=None,
        diagnostic="warn",
        max_levels=20,
        text_width=16,
        errors="raise",
        random_state=0,
    ):
        self.backbone = backbone
        self.numeric = numeric
        self.categorical = categorical
        self.ordinal = ordinal
        self.text = text
        self.diagnostic = diagnostic
        self.max_levels = max_levels
        self.text_width = text_width
        self.errors = errors
        self.random_state = random_state

    def _learn(self, frame):
        """Learn what the columns hold; refuse cells that cannot be used."""
        names = column_names(frame.columns)
        self.diagnostic_columns_ = guard_columns(names, self.diagnostic, type(self).__name__)
        self.columns_ = tuple(self._learned_columns(frame, names))
        warn_of(odd_columns(frame, self.columns_))
        self.tabular_ = TabularBackbone(self.columns_, self._learned_semantics(frame))
        if self.errors == "raise":
            settle_failures(rows_of(self.tabular_.code(frame), frame.index), self.errors)

    def _learned_columns(self, frame, names):
        """Yield what each column that is kept holds."""
        declarations = Declarations.of(
            names,
            numeric=self.numeric,
            categorical=self.categorical,
            ordinal=self.ordinal,
            text=self.text,
        )
        dropped = self.diagnostic_columns_ if self.diagnostic == "exclude" else {}
        for position, name in enumerate(names):
            if name not in dropped:
                cells = frame.iloc[:, position]
                yield learn_column(cells, name, position, declarations, self.max_levels)

    def _learned_semantics(self, frame):
        """Return the projections of the text columns, by name."""
        columns = [column for column in self.columns_ if column.kind == "text"]
        return {
            column.name: learn_latent_semantics(
                known_texts(frame.iloc[:, column.position]), self.text_width, seed
            )
            for column, seed in zip(
                columns, draw_seeds(self.random_state, len(columns)), strict=True
            )
        }

    def _prepare_all(self, frame) -> list[Prepared | AdestimError | None]:
        """Code the table, column by column."""
        coded = self.tabular_.code(frame)
        warn_of(coded.remarks)
        return rows_of(coded, frame.index)

    def _spec(self) -> BackboneSpec:
        """Return the name tag of the fitted coding."""
        return self.tabular_.spec()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags


def warn_of(remarks: Iterable[str]) -> None:
    """Raise a warning for each remark."""
    for remark in remarks:
        warnings.warn(remark, DataWarning, stacklevel=5)


def rows_of(coded: CodedTable, index: pd.Index) -> list[Prepared | AdestimError | None]:
    """Return a table row by row: None where all is unknown, the error where something is wrong."""
    rows: list[Prepared | AdestimError | None] = [
        Prepared(tokens, mask) if mask.any() else None
        for tokens, mask in zip(coded.tokens, coded.mask, strict=True)
    ]
    for row, error in coded.problems.items():
        rows[row] = error.about(index[row])
    return rows
