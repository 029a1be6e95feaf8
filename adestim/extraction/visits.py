"""From encodings of several visits to one encoding a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from adestim._support.frames import write_as_asked
from adestim._support.ranges import Choice
from adestim._support.sklearn import Interval, StrOptions, check_feature_names_in, fit_context
from adestim._support.versioned import Versioned
from adestim._support.visits import Visits
from adestim.encoding import BackboneSpec, Encoding, encodings_frame, is_missing
from adestim.exceptions import InputError
from adestim.extraction.base import check_cells

# Dates are whole days, and years are not: a visit on the very day may come out a hair later.
SAME_DAY = 1e-6


class VisitSummary(Versioned, TransformerMixin, BaseEstimator):
    """Encode several visits of a person, and make one encoding of them.

    Every visit is encoded by the same extractor, which learns on the visits of the training
    subjects. No visit after the index visit is read.

    Parameters
    ----------
    extractor : estimator
        Extractor of one modality, whose built-in model has tokens with names
        (:class:`~adestim.ClinicalExtractor`, :class:`~adestim.SMRIExtractor`, ...).
    columns : str or list of str, default=None
        Columns of the visits that it reads. None: all.
    how : {"slope", "last", "stack"}, default="slope"
        ``"slope"``: change of every token per year, by least squares. ``"last"``: every token from
        the last visit that has it. ``"stack"``: the tokens of the last visits side by side, each
        with one feature more, the years before the index visit.
    n_visits : int, default=3
        Number of visits that ``"stack"`` takes, counted back from the last; earlier ones are left
        out, and those that a subject lacks are masked.
    min_years : float, default=0.5
        Least time in years between the first and the last visit for a slope. A token seen at one
        visit only, or at visits closer to each other, has no slope, and is masked.

    Attributes
    ----------
    extractor_ : estimator
        The fitted extractor.
    backbone_ : BackboneSpec
        Name tag of the encodings.
    n_features_in_ : int
        Number of columns seen in ``fit``, which is 1.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.datasets.gather_visits : Makes the cells that are read.
    ModalityUnion : Puts it beside the extractors of the index visit.

    Notes
    -----
    A slope says nothing of the level: put the extractor of the index visit beside it. Whom no token
    has a slope of, their modality is missing, and the fusion does without.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim import ClinicalExtractor, PoolTokens, VisitSummary
    >>> from adestim.datasets import gather_visits
    >>> visits = pd.DataFrame({
    ...     "subject": ["s1", "s1", "s2", "s2", "s3"], "day": [0, 1461, 0, 1461, 0],
    ...     "weight": [70.0, 62.0, 80.0, 80.0, 75.0],
    ... })
    >>> cells = gather_visits(visits, pd.Series({"s1": 1461, "s2": 1461, "s3": 0}), time="day")
    >>> slopes = VisitSummary(ClinicalExtractor()).fit_transform(cells)
    >>> slopes.isna()["clinical"].tolist()
    [False, False, True]
    """

    _parameter_constraints: ClassVar[dict] = {
        "extractor": "no_validation",
        "columns": [None, str, list],
        "how": [StrOptions({"slope", "last", "stack"})],
        "n_visits": [Interval(Integral, 1, None, closed="left")],
        "min_years": [Interval(Real, 0, None, closed="left")],
    }
    _search_space: ClassVar[dict] = {"how": Choice(("slope", "last", "stack"))}
    _not_searched: ClassVar[dict] = {
        "extractor": "given by the user; its own parameters can be searched on request",
        "columns": "given by the user",
        "n_visits": "says how long a past is read",
        "min_years": "says what counts as a change",
    }

    def __init__(self, extractor, columns=None, *, how="slope", n_visits=3, min_years=0.5):
        self.extractor = extractor
        self.columns = columns
        self.how = how
        self.n_visits = n_visits
        self.min_years = min_years

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the extractor on every visit of the training subjects.

        Parameters
        ----------
        X : {DataFrame, Series, array-like} of shape (n_subjects, 1)
            Cells of :class:`~adestim.datasets.Visits`. None and NaN mean: no visit.
        y : array-like of shape (n_subjects,), default=None
            Target, handed to the extractor, the same at every visit of a subject.

        Returns
        -------
        self : object
            Fitted transformer.

        Raises
        ------
        InputError
            When a cell holds something else, a visit lies after the index visit, nobody has one, or
            tokens have no names.
        """
        frame = check_cells(self, X, reset=True)
        owners, rows = lay_out_visits(read_cells_of_visits(frame), frame.index, self.columns)
        if not len(rows):
            raise InputError("Some training subject has a visit", got="none at all")
        repeated = None if y is None else np.asarray(y)[owners]
        self.extractor_ = clone(self.extractor).fit(rows, repeated)
        self.backbone_ = name_summary(require_token_names(self.extractor_), self.how, self.n_visits)
        return self

    def transform(self, X):
        """Encode every visit, and make one encoding a subject.

        Parameters
        ----------
        X : {DataFrame, Series, array-like} of shape (n_subjects, 1)
            Cells of :class:`~adestim.datasets.Visits`. None and NaN mean: no visit.

        Returns
        -------
        DataFrame of shape (n_subjects, 1)
            An :class:`~adestim.encoding.Encoding` a subject, None where nothing is known.

        Raises
        ------
        InputError
            When a cell holds something else, or a visit lies after the index visit.
        """
        check_is_fitted(self, "extractor_")
        frame = check_cells(self, X, reset=False)
        cells = read_cells_of_visits(frame)
        owners, rows = lay_out_visits(cells, frame.index, self.columns)
        encoded = list(self.extractor_.transform(rows).iloc[:, 0]) if len(rows) else []
        per_subject: list[list[Encoding | None]] = [[] for _ in cells]
        for owner, encoding in zip(owners, encoded, strict=True):
            per_subject[owner].append(encoding)
        summaries = [
            None if cell is None else self._summarise(own, cell.years)
            for own, cell in zip(per_subject, cells, strict=True)
        ]
        [name] = self.get_feature_names_out()
        return write_as_asked(self, encodings_frame(summaries, name, frame.index))

    def get_feature_names_out(self, input_features=None):
        """Return the name of the single output column, that of the extractor.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the raw columns; checked against those seen in ``fit``, not used.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "extractor_")
        check_feature_names_in(self, input_features, generate_names=False)
        return self.extractor_.get_feature_names_out()

    def _summarise(
        self, encodings: Sequence[Encoding | None], years: np.ndarray
    ) -> Encoding | None:
        """Return one encoding of a subject's visits; None where no token is known."""
        known = {place: cell for place, cell in enumerate(encodings) if cell is not None}
        if not known:
            return None
        tokens = np.stack([cell.tokens for cell in known.values()]).astype(np.float64)
        real = np.stack([read_mask(cell) for cell in known.values()])
        summary, mask = self._combine(tokens, real, years[list(known)])
        if not mask.any():
            return None
        tokens = np.where(mask[:, None], summary, 0).astype(np.float32)
        return Encoding(tokens, tokens, mask, self.backbone_)

    def _combine(
        self, tokens: np.ndarray, real: np.ndarray, years: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens and mask, as ``how`` says."""
        if self.how == "slope":
            return fit_slopes(tokens, real, years, self.min_years)
        if self.how == "last":
            return carry_forward(tokens, real)
        return stack_visits(tokens, real, years, self.n_visits)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def read_cells_of_visits(frame: pd.DataFrame) -> list[Visits | None]:
    """Return one cell a subject, checked; an error names the subject."""
    if frame.shape[1] != 1:
        raise InputError(
            "VisitSummary reads one column, whose cells are Visits",
            got=f"{frame.shape[1]} columns",
            remedy="Make it by adestim.datasets.gather_visits",
        )
    cells = [None if is_missing(cell) else cell for cell in frame.iloc[:, 0].array]
    for subject, cell in zip(frame.index, cells, strict=True):
        if cell is None:
            continue
        if not isinstance(cell, Visits):
            raise InputError(
                "Cells that VisitSummary reads are Visits, or missing",
                got=f"{type(cell).__name__} for subject {str(subject)!r}",
                remedy="Make them by adestim.datasets.gather_visits",
            )
        require_past(cell, subject)
    return cells


def require_past(cell: Visits, subject: object) -> None:
    """Refuse visits that lie after the index visit."""
    n_later = int((cell.years > SAME_DAY).sum())
    if n_later:
        raise InputError(
            "No visit after the index visit may be read",
            got=f"{n_later} of subject {str(subject)!r}",
            remedy="Leave them out, as adestim.datasets.gather_visits does",
        )


def lay_out_visits(
    cells: Sequence[Visits | None], index: pd.Index, columns: str | list[str] | None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the place of each visit's subject, and the visits of all subjects, a row each."""
    wanted = [columns] if isinstance(columns, str) else columns
    owners, labels, tables = [], [], []
    for place, (subject, cell) in enumerate(zip(index, cells, strict=True)):
        if cell is None:
            continue
        lacking = [name for name in wanted or [] if name not in cell.rows]
        if lacking:
            raise InputError(
                "The visits of every subject have the columns that are read",
                got=f"no {lacking[0]!r} for subject {str(subject)!r}",
            )
        tables.append(cell.rows if wanted is None else cell.rows[wanted])
        owners += [place] * len(cell.years)
        labels += [f"{subject} at {year:.2f} years" for year in cell.years]
    rows = pd.concat(tables).set_axis(labels) if tables else pd.DataFrame()
    return np.array(owners, dtype=int), rows


def require_token_names(extractor: BaseEstimator) -> BackboneSpec:
    """Return the name tag of an extractor's encodings, whose tokens must have names."""
    spec = getattr(extractor, "backbone_", None)
    if spec is None or spec.option("token_names") is None or spec.is_foundation:
        raise InputError(
            "VisitSummary needs an extractor with a built-in model, whose tokens have names",
            got=type(extractor).__name__ if spec is None else f"tokens of {spec.name!r}",
            remedy="Leave backbone= of the extractor as it is",
        )
    return spec


def name_summary(spec: BackboneSpec, how: str, n_visits: int) -> BackboneSpec:
    """Return the name tag of a summary; what is carried forward means what it did."""
    if how == "last":
        return spec
    options: dict[str, Any] = dict(spec.options)
    names = options["token_names"]
    if how == "slope":
        options["token_names"] = tuple(f"{name} per year" for name in names)
    else:
        known = options.get("feature_names")
        options["token_names"] = tuple(
            name if back == 0 else f"{name}, {back} visit{'s' * (back > 1)} before"
            for back in range(n_visits)
            for name in names
        )
        options["feature_names"] = None if known is None else (*known, "years before")
    kept = tuple((key, value) for key, value in options.items() if value is not None)
    return replace(spec, name=f"{spec.name}, {how} of visits", options=kept, rare=())


def read_mask(encoding: Encoding) -> np.ndarray:
    """Return which tokens are real, (n_tokens,)."""
    mask = encoding.mask
    return np.ones(encoding.n_tokens, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)


def fit_slopes(
    tokens: np.ndarray, real: np.ndarray, years: np.ndarray, min_years: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the change of every feature per year by least squares, and which tokens have one.

    tokens (n_visits, T, C), real (n_visits, T), years (n_visits,) -> (T, C), (T,).
    """
    times = np.broadcast_to(years[:, None], real.shape)
    span = np.where(real, times, -np.inf).max(axis=0) - np.where(real, times, np.inf).min(axis=0)
    known: np.ndarray = np.logical_and(span >= min_years, span > 0)
    mean = (times * real).sum(axis=0) / np.maximum(real.sum(axis=0), 1)
    centred = (times - mean) * real
    spread = np.where(known, (centred**2).sum(axis=0), 1)
    products = np.where(real[:, :, None], tokens, 0) * centred[:, :, None]
    return products.sum(axis=0) / spread[:, None], known


def carry_forward(tokens: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every token from the last visit that has it, and which tokens any visit has.

    tokens (n_visits, T, C), real (n_visits, T) -> (T, C), (T,).
    """
    last = len(real) - 1 - np.argmax(real[::-1], axis=0)
    return tokens[last, np.arange(real.shape[1])], np.logical_or.reduce(real, axis=0)


def stack_visits(
    tokens: np.ndarray, real: np.ndarray, years: np.ndarray, n_visits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of the last visits, the last first, with the years before the index.

    tokens (n_visits, T, C), real (n_visits, T), years (n_visits,) -> (N T, C + 1), (N T,).
    """
    before = np.broadcast_to(0 - years[:, None, None], (*real.shape, 1))
    latest = np.concatenate([tokens, before], axis=2)[::-1][:n_visits]
    absent = n_visits - len(latest)
    stacked = np.pad(latest, [(0, absent), (0, 0), (0, 0)])
    mask = np.pad(real[::-1][:n_visits], [(0, absent), (0, 0)])
    return stacked.reshape(-1, stacked.shape[2]), mask.reshape(-1)
