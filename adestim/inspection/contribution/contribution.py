"""What every modality contributes to a subject's prediction: exact Shapley values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from adestim._support.sklearn import draw_seeds, take_rows
from adestim._support.versioned import Versioned
from adestim.exceptions import DataWarning, InputError
from adestim.inspection.contribution.hiding import HidingReader, find_output

MAX_MODALITIES = 8
# Log-odds stay within 13.8: a probability of exactly 0 or 1 would drown everything else.
SMALLEST_PROBABILITY = 1e-6
LOGIT, PROBABILITY, NUMBER = "logit", "probability", "number"


@dataclass(frozen=True, eq=False)
class Contributions(Versioned):
    """What every modality contributes to every subject's output.

    Parameters
    ----------
    values : DataFrame of shape (n_subjects, n_modalities)
        Shapley values, 0 where a subject lacks the modality. With the baseline, a subject's row
        sums to its output.
    pairs : ndarray of shape (n_subjects, n_modalities, n_modalities)
        Shapley interaction indices, symmetric; 0 on the diagonal and where one is missing.
    outputs : Series of shape (n_subjects,)
        The outputs that are explained.
    baseline : float
        The output for a subject of whom nothing is known.
    present : DataFrame of bool of shape (n_subjects, n_modalities)
        Who has what.
    output : {"logit", "probability", "number"}
        What the outputs are.
    target : class label, default=None
        The class that they speak of; None for a regressor.

    See Also
    --------
    adestim.inspection.ContributionsDisplay : Draws contributions.
    adestim.inspection.SynergyDisplay : Draws interactions.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.inspection import Contributions
    >>> values = pd.DataFrame({"mri": [1.0, -0.5], "csf": [0.5, 0.0]}, index=["s1", "s2"])
    >>> found = Contributions(
    ...     values, np.zeros((2, 2, 2)), values.sum(axis=1), 0.0, values != 0, "logit", "AD"
    ... )
    >>> found.summary(n_resamples=0)[["n_present", "mean", "mean_absolute"]]
              n_present  mean  mean_absolute
    modality
    mri               2  0.25           0.75
    csf               1  0.50           0.50
    """

    values: pd.DataFrame
    pairs: np.ndarray
    outputs: pd.Series
    baseline: float
    present: pd.DataFrame
    output: str
    target: Any = None

    def frame(self) -> pd.DataFrame:
        """Return a row a subject and modality.

        Returns
        -------
        DataFrame
            ``subject``, ``modality``, ``present``, ``contribution``.
        """
        n_subjects, n_modalities = self.values.shape
        return pd.DataFrame(
            {
                "subject": self.values.index.repeat(n_modalities),
                "modality": np.tile(self.values.columns, n_subjects),
                "present": self.present.to_numpy().ravel(),
                "contribution": self.values.to_numpy().ravel(),
            }
        )

    def summary(
        self,
        groups: Any = None,
        *,
        n_resamples: int = 1000,
        level: float = 0.95,
        random_state: Any = 0,
    ) -> pd.DataFrame:
        """Return the cohort's mean contributions, over those who have the modality.

        Parameters
        ----------
        groups : array-like of shape (n_subjects,), default=None
            Groups that are resampled whole; None takes rows of one index label as a group.
        n_resamples : int, default=1000
            Resamples of the bootstrap; 0 leaves intervals out.
        level : float, default=0.95
            Level of the percentile intervals.
        random_state : int, RandomState instance or None, default=0
            Controls the resamples.

        Returns
        -------
        DataFrame
            A row a modality: ``n_present``, ``mean``, ``mean_absolute``, and ``low`` and ``high``
            of the latter; NaN where nobody has the modality.

        References
        ----------
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
        """
        values, present = self.values.to_numpy(), self.present.to_numpy()
        ends = bootstrap_means(
            np.abs(values), present, self._groups(groups), n_resamples, level, random_state
        )
        index = pd.Index(self.values.columns, name="modality")
        return pd.DataFrame(summarise_present(values, present, ends), index=index)

    def synergies(
        self,
        groups: Any = None,
        *,
        n_resamples: int = 1000,
        level: float = 0.95,
        random_state: Any = 0,
    ) -> pd.DataFrame:
        """Return how pairs of modalities interact in the cohort, over those who have both.

        Parameters
        ----------
        groups : array-like of shape (n_subjects,), default=None
            Groups that are resampled whole; None takes rows of one index label as a group.
        n_resamples : int, default=1000
            Resamples of the bootstrap; 0 leaves intervals out.
        level : float, default=0.95
            Level of the percentile intervals.
        random_state : int, RandomState instance or None, default=0
            Controls the resamples.

        Returns
        -------
        DataFrame
            A row a pair: ``first``, ``second``, ``n_present``, ``mean``, ``mean_absolute``, and
            ``low`` and ``high`` of the mean. Above 0 the two say more together than apart, below
            0 they repeat each other.
        """
        pairs = list(combinations(range(self.values.shape[1]), 2))
        first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
        values, present = self.pairs[:, first, second], self._have_both()[:, first, second]
        ends = bootstrap_means(
            values, present, self._groups(groups), n_resamples, level, random_state
        )
        names = {"first": self.values.columns[first], "second": self.values.columns[second]}
        return pd.DataFrame(names | summarise_present(values, present, ends))

    def interactions(self) -> pd.DataFrame:
        """Return the mean interactions of every pair, over those who have both.

        Returns
        -------
        DataFrame of shape (n_modalities, n_modalities)
            NaN on the diagonal, and where nobody has both.
        """
        n_modalities = self.values.shape[1]
        flat = (len(self.values), -1)
        means = average_present(self.pairs.reshape(flat), self._have_both().reshape(flat))
        matrix = means.reshape(n_modalities, n_modalities)
        np.fill_diagonal(matrix, np.nan)
        return pd.DataFrame(matrix, index=self.values.columns, columns=self.values.columns)

    def _have_both(self) -> np.ndarray:
        """Return who has both of a pair, (n_subjects, n_modalities, n_modalities)."""
        present = self.present.to_numpy()
        return present[:, :, None] & present[:, None, :]

    def _groups(self, groups: Any) -> np.ndarray:
        """Return the groups to resample, as integers from 0."""
        labels = self.values.index if groups is None else np.asarray(groups)
        if len(labels) != len(self.values):
            raise InputError(
                "'groups' must name a group for every subject that was explained",
                got=f"{len(labels)} for {len(self.values)} subjects",
            )
        return pd.factorize(labels)[0]


def modality_contributions(
    estimator: Any,
    X: Any,
    *,
    output: str = LOGIT,
    target: Any = None,
    baseline: Any = None,
    max_subjects: int | None = 2000,
    random_state: Any = 0,
) -> Contributions:
    r"""Say what every modality contributes to the prediction of every subject.

    A subject's modalities are the players of a game whose value is the model's output when it is
    shown a part of them; the others are missing, as they were for some of its training subjects.
    Nothing shown is worth the training prevalence. The contribution of a modality is its Shapley
    value [1]_, computed over all subsets,

    .. math:: \phi_i = \sum_{S \not\ni i} \frac{|S|! (m - |S| - 1)!}{m!} (v(S \cup i) - v(S)),

    and the interaction of two is their Shapley interaction index [2]_,

    .. math:: I_{ij} = \sum_{S \not\ni i, j} \frac{|S|! (m - |S| - 2)!}{(m - 1)!}
              (v(S \cup ij) - v(S \cup i) - v(S \cup j) + v(S)).

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor that reads missing modalities, such as
        :class:`adestim.AnchoredFusionClassifier`, or a pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table as ``estimator.predict`` takes it.
    output : {"logit", "probability"}, default="logit"
        Whether the log-odds of the target class or its probability is explained. Of a regressor
        it is the predicted number, whatever this says.
    target : class label, default=None
        The class that is explained. None takes the patients' of two classes; needed for more.
    baseline : array-like of shape (n_classes,) or float, default=None
        What is said of a subject of whom nothing is known: class frequencies or a mean. None
        takes those of training, as far as the model tells them.
    max_subjects : int or None, default=2000
        Of more subjects so many are drawn at random, which is warned of; None explains all. The
        model predicts up to :math:`2^m - 1` times for each.
    random_state : int, RandomState instance or None, default=0
        Controls which subjects are drawn.

    Returns
    -------
    Contributions

    Raises
    ------
    InputError
        When there are more than 8 modalities, the estimator cannot be asked, the table lacks a
        modality, or a parameter has no such value.
    NotFittedError
        When the estimator is not fitted.
    NoModalityError
        When a subject has no modality at all.

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II,
       1953; for parts of a model's input: Lundberg and Lee, "A unified approach to interpreting
       model predictions", NeurIPS 2017.
    .. [2] Grabisch and Roubens, "An axiomatic approach to the concept of interaction among players
       in cooperative games", International Journal of Game Theory 28, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import modality_contributions
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X["mri__a"] > 0, "AD", "CN")
    >>> model = AnchoredFusionClassifier(anchor="mri", start="average", max_epochs=2).fit(X, y)
    >>> found = modality_contributions(model, X, target="AD")
    >>> found.summary()["mean_absolute"].idxmax()
    'mri'
    >>> bool(np.allclose(found.values.sum(axis=1) + found.baseline, found.outputs))
    True
    """
    if output not in (LOGIT, PROBABILITY):
        raise InputError("'output' must be 'logit' or 'probability'", got=repr(output))
    reader = HidingReader.of(estimator, draw_subjects(X, max_subjects, random_state), baseline)
    require_few_modalities(list(reader.columns))
    classes = reader.classes
    column = find_output(classes, target)
    worth = value_coalitions(reader, choose_scale(None if classes is None else output, column))
    index, names = reader.frame.index, list(reader.columns)
    return Contributions(
        values=pd.DataFrame(shapley_values(worth), index=index, columns=names),
        pairs=interaction_indices(worth),
        outputs=pd.Series(worth[:, -1], index=index, name="output"),
        baseline=float(worth[0, 0]),
        present=reader.present,
        output=NUMBER if classes is None else output,
        target=None if classes is None else classes[column],
    )


def draw_subjects(X: Any, max_subjects: int | None, random_state: Any) -> Any:
    """Return a table of no more rows than allowed, drawn at random."""
    if not are_too_many(len(X), max_subjects):
        return X
    warnings.warn(
        f"{max_subjects} of {len(X)} subjects were drawn at random to be explained; "
        "max_subjects=None explains all.",
        DataWarning,
        stacklevel=3,
    )
    rows = draw_rows(len(X), max_subjects, draw_seeds(random_state, 1)[0])
    return take_rows(X, rows)


def are_too_many(n_subjects: int, max_subjects: int | None) -> bool:
    """Tell whether there are more subjects than may be explained."""
    if max_subjects is not None and max_subjects < 1:
        raise InputError("'max_subjects' must be at least 1, or None", got=repr(max_subjects))
    return max_subjects is not None and n_subjects > max_subjects


def draw_rows(n_subjects: int, max_subjects: int | None, seed: int) -> np.ndarray:
    """Return positions of no more subjects than allowed, drawn at random."""
    if max_subjects is None or not are_too_many(n_subjects, max_subjects):
        return np.arange(n_subjects)
    return np.sort(np.random.default_rng(seed).choice(n_subjects, max_subjects, replace=False))


def require_few_modalities(names: list[str]) -> None:
    """Refuse more modalities than can be hidden in all combinations."""
    if len(names) > MAX_MODALITIES:
        raise InputError(
            f"Exact contributions need at most {MAX_MODALITIES} modalities, because the model is "
            "asked about every subset of them",
            got=str(len(names)),
            remedy="Join modalities: numeric columns modality__feature of one prefix are one",
        )


def choose_scale(output: str | None, column: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what turns a model's answers into the outputs that are explained."""

    def scale(answers: np.ndarray) -> np.ndarray:
        values = np.asarray(answers, dtype=float)[:, column]
        if output != LOGIT:
            return values
        return logit(np.clip(values, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))

    return scale


def value_coalitions(reader: HidingReader, scale: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return every subject's output for every subset, (n_subjects, 2 ** n_modalities).

    A subset is a number whose bits are its modalities. The model is asked only about subsets
    of what a subject has: hiding what is missing changes nothing.
    """
    present = reader.present.to_numpy()
    bits = 1 << np.arange(present.shape[1])
    owned = present @ bits
    subsets = np.arange(2 ** present.shape[1])
    worth = np.full((len(present), len(subsets)), scale(reader.baseline[None])[0])
    everything = np.ones(present.shape[1], dtype=bool)
    # Asked about as the subjects are, the model refuses those that it cannot judge.
    complete = scale(reader.answers(everything))
    for subset in subsets[1:]:
        rows = np.flatnonzero(((owned & subset) == subset) & (owned != subset))
        if len(rows):
            worth[rows, subset] = scale(reader.answers((subset & bits) > 0, rows))
    worth[np.arange(len(present)), owned] = complete
    return np.take_along_axis(worth, subsets[None] & owned[:, None], axis=1)


def shapley_values(worth: np.ndarray) -> np.ndarray:
    """Return Shapley values (n_subjects, n_players) of games.

    worth (n_subjects, 2 ** n_players) -> (n_subjects, n_players).

    L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II, 1953.
    """
    n_players = int(worth.shape[1]).bit_length() - 1
    subsets = np.arange(worth.shape[1])
    size = np.bitwise_count(subsets)
    values = np.empty((len(worth), n_players))
    for player in range(n_players):
        bit = 1 << player
        without = subsets[(subsets & bit) == 0]
        weight = np.array([1 / (n_players * comb(n_players - 1, n)) for n in size[without]])
        values[:, player] = (worth[:, without | bit] - worth[:, without]) @ weight
    return values


def interaction_indices(worth: np.ndarray) -> np.ndarray:
    """Return Shapley interaction indices (n_subjects, n_players, n_players) of games.

    worth (n_subjects, 2 ** n_players) -> (n_subjects, n_players, n_players).

    Grabisch and Roubens, "An axiomatic approach to the concept of interaction among players in
    cooperative games", International Journal of Game Theory 28, 1999.
    """
    n_players = int(worth.shape[1]).bit_length() - 1
    subsets = np.arange(worth.shape[1])
    size = np.bitwise_count(subsets)
    indices = np.zeros((len(worth), n_players, n_players))
    for one, other in combinations(range(n_players), 2):
        a, b = 1 << one, 1 << other
        rest = subsets[(subsets & (a | b)) == 0]
        weight = np.array([1 / ((n_players - 1) * comb(n_players - 2, n)) for n in size[rest]])
        excess = worth[:, rest | a | b] - worth[:, rest | a] - worth[:, rest | b] + worth[:, rest]
        indices[:, one, other] = indices[:, other, one] = excess @ weight
    return indices


def average_present(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return column means over those who are present.

    values (n_subjects, n_columns), present (n_subjects, n_columns) -> (n_columns,).
    """
    count = present.sum(axis=0)
    total = (values * present).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def summarise_present(
    values: np.ndarray, present: np.ndarray, ends: np.ndarray
) -> dict[str, np.ndarray]:
    """Return how many are present, their column means, and the ends of an interval by name.

    values, present (n_subjects, n_columns), ends (2, n_columns).
    """
    return {
        "n_present": present.sum(axis=0),
        "mean": average_present(values, present),
        "mean_absolute": average_present(np.abs(values), present),
        "low": ends[0],
        "high": ends[1],
    }


def bootstrap_means(
    values: np.ndarray,
    present: np.ndarray,
    groups: np.ndarray,
    n_resamples: int,
    level: float,
    random_state: Any,
) -> np.ndarray:
    """Return percentile intervals of column means over resampled groups.

    values (n_subjects, n_columns), present (n_subjects, n_columns), groups (n_subjects,) -> (2,
    n_columns).

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if not 0 < level < 1:
        raise InputError("'level' must lie between 0 and 1", got=repr(level))
    ends = np.full((2, values.shape[1]), np.nan)
    n_groups = int(groups.max()) + 1
    if n_resamples < 1 or n_groups < 2:
        return ends
    sums, counts = np.zeros((2, n_groups, values.shape[1]))
    np.add.at(sums, groups, values * present)
    np.add.at(counts, groups, present)
    generator = np.random.default_rng(draw_seeds(random_state, 1)[0])
    draws = generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples)
    drawn, count = draws @ sums, draws @ counts
    means = np.divide(drawn, count, out=np.full(drawn.shape, np.nan), where=count > 0)
    somebody = present.any(axis=0)
    cuts = [(1 - level) / 2, (1 + level) / 2]
    ends[:, somebody] = np.nanquantile(means[:, somebody], cuts, axis=0)
    return ends
